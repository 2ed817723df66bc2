-- +goose Up
-- The id of the batch whose rows this one repeats.
ALTER TABLE batches ADD COLUMN rerun_of TEXT NOT NULL DEFAULT '';
