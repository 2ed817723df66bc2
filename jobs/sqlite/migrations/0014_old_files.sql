-- +goose Up
-- The version of a wanted file that was saved before, in the same folder. It is
-- removed when the next one is saved. saved_at is NULL if the file existed before
-- and was kept; such a file is never removed.
ALTER TABLE files ADD COLUMN old_name TEXT NOT NULL DEFAULT '';
ALTER TABLE files ADD COLUMN old_folded TEXT NOT NULL DEFAULT '';
ALTER TABLE files ADD COLUMN old_size INTEGER NOT NULL DEFAULT 0;
ALTER TABLE files ADD COLUMN old_saved_at INTEGER;

CREATE INDEX files_old ON files (folder, old_folded) WHERE old_folded <> '';
