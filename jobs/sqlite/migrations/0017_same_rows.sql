-- +goose Up
-- A hash of what the rows of a batch asked for when it was imported. It is NULL if
-- the rows were not compared with those of other batches.
ALTER TABLE batches ADD COLUMN rows_hash BLOB;
CREATE INDEX batches_rows_hash ON batches (rows_hash) WHERE rows_hash IS NOT NULL;
