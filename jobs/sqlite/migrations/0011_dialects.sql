-- +goose Up
-- How the input of a batch was written, as a JSON object: delimiter, bom, crlf.
-- NULL means comma-separated, without a byte order mark, with line feeds.
ALTER TABLE batches ADD COLUMN dialect TEXT;
