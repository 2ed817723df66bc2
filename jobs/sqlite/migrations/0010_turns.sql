-- +goose Up
-- Of each state and priority the batches that owe something lie in the order of
-- their wake times: those that have waited the longest are claimed first, a
-- bounded number at a time.

DROP INDEX batches_owing;
CREATE INDEX batches_owing ON batches (state, ranked, priority, wake_at)
  WHERE (state = 'open' AND queued > 0) OR (state = 'finished' AND summarized < revision);

-- What tells this database apart from others that use the same queue server. It
-- is made when the queue is first opened.
CREATE TABLE identity (
  one   INTEGER PRIMARY KEY CHECK (one = 1),
  id    TEXT NOT NULL,
  place TEXT NOT NULL -- the number of the file when the id was made
) STRICT;
