-- +goose Up
-- cancel_asked_at is when somebody asked to cancel a job whose create may have
-- been sent: what settles that create cancels the job. conflict_check_at is set
-- while the vendor is to be asked which of two contradictory results of the
-- job's screenshot is true; vendor_says is what it answered.

ALTER TABLE jobs ADD COLUMN cancel_asked_at INTEGER;
ALTER TABLE jobs ADD COLUMN conflict_check_at INTEGER;
ALTER TABLE jobs ADD COLUMN vendor_says TEXT NOT NULL DEFAULT '' CHECK (vendor_says IN ('', 'done', 'failed'));

CREATE INDEX jobs_contradicted ON jobs (conflict_check_at) WHERE conflict_check_at IS NOT NULL;
