-- +goose Up
-- first_attempt is the attempt that the present request of a row began with, if the
-- row was amended. Results of older attempts belong to another request.
ALTER TABLE jobs ADD COLUMN first_attempt INTEGER NOT NULL DEFAULT 0;

-- The keys of amended rows. Rows that were not amended still have the key of their
-- import.
CREATE INDEX jobs_amended ON jobs (batch_seq, request_key) WHERE first_attempt > 0;

-- The duplicates of a row, which must not follow it to another request.
CREATE INDEX jobs_duplicates ON jobs (batch_seq, duplicate_of) WHERE state = 'duplicate';
