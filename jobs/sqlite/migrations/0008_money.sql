-- +goose Up
-- lost_at is when the intent of a submission's newest lost create was committed:
-- one that was looked up in vain until the settle time was over. The vendor may
-- still show its screenshot, and charge for it.
ALTER TABLE submissions ADD COLUMN lost_at INTEGER;

UPDATE submissions SET lost_at = coalesce(intent_at, (SELECT created_at FROM jobs WHERE jobs.seq = job_seq))
  WHERE extra = 0 AND (sends > 1 OR sends = 1 AND intent_at IS NULL);

CREATE INDEX submissions_lost ON submissions (job_seq) WHERE lost_at IS NOT NULL;

-- Whether as many deliveries are held as may be.
INSERT INTO cursors (name, place) VALUES ('held full', 0);
