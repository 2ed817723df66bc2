-- +goose Up
-- A row for each submission whose screenshot was reported both as done and as
-- failed. first_outcome is what was recorded first; image_url and error are those
-- of the result that contradicted it. check_at is set while the vendor is to be
-- asked; vendor_says is its last answer. Results are rarely contradicted, so this
-- is no part of the large tables.
CREATE TABLE contradictions (
  job_seq       INTEGER NOT NULL REFERENCES jobs (seq),
  attempt       INTEGER NOT NULL,
  first_outcome TEXT    NOT NULL CHECK (first_outcome = 'done' OR first_outcome = 'failed'),
  vendor_says   TEXT    NOT NULL DEFAULT '' CHECK (vendor_says = '' OR vendor_says = 'done' OR vendor_says = 'failed'
    OR vendor_says = 'processing' OR vendor_says = 'unknown'),
  image_url     TEXT    NOT NULL DEFAULT '',
  error         TEXT    NOT NULL DEFAULT '',
  opened_at     INTEGER NOT NULL,
  check_at      INTEGER,
  checks        INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (job_seq, attempt)
) STRICT, WITHOUT ROWID;

CREATE INDEX contradictions_due ON contradictions (check_at) WHERE check_at IS NOT NULL;

-- Earlier versions kept the vendor's word beside the first result. Where the two
-- differ the vendor is asked again, so that the job is corrected.
INSERT INTO contradictions (job_seq, attempt, first_outcome, vendor_says, opened_at, check_at)
  SELECT jobs.seq, max(s.attempt), s.outcome, jobs.vendor_says, coalesce(jobs.closed_at, jobs.created_at),
    CASE WHEN jobs.vendor_says <> '' AND jobs.vendor_says <> s.outcome THEN 0 ELSE jobs.conflict_check_at END
  FROM jobs JOIN submissions s ON s.job_seq = jobs.seq AND s.extra = 0 AND s.screenshot_id = jobs.screenshot_id
  WHERE jobs.conflicts > 0 AND jobs.screenshot_id <> '' AND s.outcome IS NOT NULL
    AND (jobs.vendor_says <> '' OR jobs.conflict_check_at IS NOT NULL)
  GROUP BY jobs.seq;

DROP INDEX jobs_contradicted;
ALTER TABLE jobs DROP COLUMN conflict_check_at;
ALTER TABLE jobs DROP COLUMN vendor_says;

ALTER TABLE jobs ADD COLUMN corrected INTEGER NOT NULL DEFAULT 0;
ALTER TABLE batches ADD COLUMN corrected INTEGER NOT NULL DEFAULT 0;

-- The state that a late result or a correction brought.
ALTER TABLE events ADD COLUMN state TEXT NOT NULL DEFAULT '';
