-- +goose Up
-- Jobs that ended without their picture, by state and in their order: few among
-- many, to be looked at and tried again. A job that is done touches no index.
CREATE INDEX jobs_flawed ON jobs (state)
  WHERE state = 'failed' OR state = 'timed_out' OR state = 'canceled' OR state = 'rejected';
