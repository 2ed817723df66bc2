-- +goose Up
-- Which batches have files on disk, and how they are named. The order of batch 0
-- applies to all batches without one of their own. Jobs up to the place looked_to
-- were looked at since the order changed; complete is 1 when all were.
CREATE TABLE download_orders (
  batch_seq INTEGER PRIMARY KEY,
  folder    TEXT    NOT NULL,
  name      TEXT    NOT NULL,
  outputs   TEXT    NOT NULL, -- JSON
  at        INTEGER NOT NULL,
  looked_to INTEGER NOT NULL DEFAULT 0,
  complete  INTEGER NOT NULL DEFAULT 0 CHECK (complete BETWEEN 0 AND 1)
) STRICT;

CREATE INDEX download_orders_incomplete ON download_orders (batch_seq) WHERE complete = 0;

-- folded is the name as file systems compare it that ignore case.
CREATE TABLE files (
  job_seq    INTEGER NOT NULL REFERENCES jobs (seq),
  output     TEXT    NOT NULL,
  shot       INTEGER NOT NULL,
  attempt    INTEGER NOT NULL,
  screenshot TEXT    NOT NULL,
  folder     TEXT    NOT NULL,
  name       TEXT    NOT NULL DEFAULT '',
  folded     TEXT    NOT NULL DEFAULT '',
  state      TEXT    NOT NULL CHECK (state = 'wanted' OR state = 'saved' OR state = 'gone' OR state = 'failed'),
  size       INTEGER NOT NULL DEFAULT 0,
  type       TEXT    NOT NULL DEFAULT '',
  error      TEXT    NOT NULL DEFAULT '',
  tries      INTEGER NOT NULL DEFAULT 0,
  wake_at    INTEGER,
  saved_at   INTEGER,
  PRIMARY KEY (job_seq, output, shot)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX files_named ON files (folder, folded) WHERE folded <> '';
CREATE INDEX files_wanted ON files (wake_at, job_seq) WHERE state = 'wanted';
CREATE INDEX files_failed ON files (job_seq) WHERE state = 'failed';
