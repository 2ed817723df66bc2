-- +goose Up
-- Costs are in millionths of a credit.
ALTER TABLE batches ADD COLUMN budget_micros INTEGER;
ALTER TABLE batches ADD COLUMN reserved_micros INTEGER NOT NULL DEFAULT 0;
-- When a batch that the daily budget paused is opened again.
ALTER TABLE batches ADD COLUMN resume_at INTEGER;
CREATE INDEX batches_resume ON batches (resume_at) WHERE resume_at IS NOT NULL;

-- Parameters of creates that can decide the cost, and what creates with them cost.
CREATE TABLE option_sets (
  id             INTEGER PRIMARY KEY,
  name           TEXT    NOT NULL UNIQUE,
  creates        INTEGER NOT NULL DEFAULT 0,
  total_micros   INTEGER NOT NULL DEFAULT 0,
  highest_micros INTEGER -- NULL until a cost is known
) STRICT;

-- One row for each create that might have cost something and whose cost is not
-- known yet. day is the number of days since 1970.
CREATE TABLE reservations (
  job_seq    INTEGER NOT NULL REFERENCES jobs (seq),
  attempt    INTEGER NOT NULL,
  n          INTEGER NOT NULL,
  micros     INTEGER NOT NULL,
  day        INTEGER NOT NULL,
  option_set INTEGER NOT NULL REFERENCES option_sets (id),
  PRIMARY KEY (job_seq, attempt, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE spending (
  day             INTEGER PRIMARY KEY,
  spent_micros    INTEGER NOT NULL DEFAULT 0,
  reserved_micros INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Empty, or the one daily budget.
CREATE TABLE daily_budget (
  id     INTEGER PRIMARY KEY CHECK (id = 1),
  micros INTEGER NOT NULL
) STRICT;
