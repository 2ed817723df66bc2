-- +goose Up
-- What is owed to other programs, and jobs that were asked for by themselves.

ALTER TABLE batches ADD COLUMN callback_url TEXT NOT NULL DEFAULT '';
ALTER TABLE batches ADD COLUMN single INTEGER NOT NULL DEFAULT 0;
ALTER TABLE batches ADD COLUMN priority INTEGER NOT NULL DEFAULT 0 CHECK (priority BETWEEN -100 AND 100);

-- The few batches that have not ended, among all that have: neither index is
-- touched while the counters of a batch change.
CREATE INDEX batches_importing  ON batches (touched_at) WHERE state = 'importing';
CREATE INDEX batches_unfinished ON batches (seq)        WHERE state IN ('open', 'paused');

-- A batch has one key at most. By the places of batches the oldest come first.
CREATE TABLE idempotency_keys (
  batch_seq  INTEGER PRIMARY KEY REFERENCES batches (seq),
  scope      TEXT    NOT NULL,
  name       TEXT    NOT NULL,
  hash       BLOB    NOT NULL, -- of the request
  created_at INTEGER NOT NULL,
  UNIQUE (scope, name)
) STRICT;

-- delivery is the place in the inbox of a foreign screenshot's event, whose
-- batch_seq is 0. The index is for retention; other events do not touch it.
ALTER TABLE events ADD COLUMN delivery INTEGER;

CREATE INDEX events_foreign ON events (delivery) WHERE delivery IS NOT NULL;

-- Those who turn events into callbacks, and how far each has got in the log.
CREATE TABLE readers (
  name      TEXT    PRIMARY KEY,
  place     INTEGER NOT NULL,
  opened_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- wake_at is never before due_at: from then on anybody may claim the callback.
-- claim is 1 from its claim on and 2 while an attempt is made, until it is
-- settled or wake_at has come. The body comes last, so that going through
-- callbacks does not read it.
CREATE TABLE callbacks (
  seq        INTEGER PRIMARY KEY AUTOINCREMENT,
  event_id   TEXT    NOT NULL,
  type       TEXT    NOT NULL,
  event      INTEGER NOT NULL,
  batch_seq  INTEGER NOT NULL, -- 0 for a foreign screenshot's event
  job_seq    INTEGER,
  sink       TEXT    NOT NULL,
  url        TEXT    NOT NULL,
  lane       TEXT    NOT NULL,
  state      TEXT    NOT NULL CHECK (state IN ('owed', 'delivered', 'dead')),
  generation INTEGER NOT NULL DEFAULT 0,
  claim      INTEGER NOT NULL DEFAULT 0 CHECK (claim IN (0, 1, 2)),
  attempts   INTEGER NOT NULL DEFAULT 0,
  status     INTEGER NOT NULL DEFAULT 0,
  error      TEXT    NOT NULL DEFAULT '',
  created_at INTEGER NOT NULL,
  first_at   INTEGER,
  due_at     INTEGER,
  wake_at    INTEGER,
  settled_at INTEGER,
  body       BLOB,
  CHECK ((sink = '') <> (url = ''))
) STRICT;

CREATE UNIQUE INDEX callbacks_once ON callbacks (event, sink, url);
CREATE INDEX callbacks_batch   ON callbacks (batch_seq);
CREATE INDEX callbacks_owed    ON callbacks (lane, wake_at, seq, due_at) WHERE state = 'owed';
CREATE INDEX callbacks_claimed ON callbacks (lane, wake_at)              WHERE claim > 0;
CREATE INDEX callbacks_dead    ON callbacks (sink)                       WHERE state = 'dead';
