-- +goose Up
-- The newest webhooks that were not accepted. The oldest rows are removed when new
-- ones are added.
CREATE TABLE refusals (
  seq     INTEGER PRIMARY KEY,
  at      INTEGER NOT NULL,
  path    TEXT    NOT NULL,
  result  TEXT    NOT NULL,
  status  INTEGER NOT NULL,
  reason  TEXT    NOT NULL,
  headers TEXT    NOT NULL, -- JSON
  more    INTEGER NOT NULL
) STRICT;
