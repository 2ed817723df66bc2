-- +goose Up
-- What a row wants otherwise than its batch. Without it, priority is NULL and
-- timeout_ms 0: the batch decides.
ALTER TABLE jobs ADD COLUMN callback_url TEXT NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN timeout_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN priority INTEGER CHECK (priority BETWEEN -100 AND 100);

-- row_callbacks is 1 once a row has a URL of its own to call, ranked once one has a
-- priority. Of an open batch that is ranked, every queued row has a priority.
ALTER TABLE batches ADD COLUMN row_callbacks INTEGER NOT NULL DEFAULT 0;
ALTER TABLE batches ADD COLUMN ranked INTEGER NOT NULL DEFAULT 0;

-- The rows of ordinary batches do not touch it.
CREATE INDEX jobs_ranked ON jobs (batch_seq, priority DESC, seq) WHERE state = 'queued' AND priority IS NOT NULL;
