-- +goose Up
-- What keeps the worker from its work, as JSON. NULL if nothing does.
ALTER TABLE workers ADD COLUMN troubles TEXT;
