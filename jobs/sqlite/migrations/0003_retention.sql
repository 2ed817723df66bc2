-- +goose Up
-- Deliveries that moved no job, oldest first within their kind: for retention,
-- and for the release of held ones. The closer alone gives a delivery one of
-- these dispositions, so that appending one still touches no index.
CREATE INDEX inbox_unapplied ON inbox (disposition, seq) WHERE disposition <> '';
