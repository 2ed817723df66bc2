-- +goose Up
-- Times are unix milliseconds, absent ones NULL. Texts are '' when empty.
-- JSON columns hold canonical JSON or NULL. Costs are millionths of a credit,
-- so that sums come out the same in any order.

PRAGMA application_id = 1397247828; -- "SHOT"

-- The counters stand beside the jobs and change in the same transactions.
CREATE TABLE batches (
  seq            INTEGER PRIMARY KEY,
  id             TEXT    NOT NULL UNIQUE,
  state          TEXT    NOT NULL CHECK (state IN ('importing', 'open', 'paused', 'finished')),
  pause_reason   TEXT    NOT NULL DEFAULT '',
  source         TEXT    NOT NULL DEFAULT '',
  columns        TEXT,
  params         TEXT,
  tags           TEXT,
  apps           TEXT,
  job_timeout_ms INTEGER NOT NULL DEFAULT 0,
  rows           INTEGER NOT NULL DEFAULT 0,
  queued         INTEGER NOT NULL DEFAULT 0 CHECK (queued >= 0),
  submitting     INTEGER NOT NULL DEFAULT 0 CHECK (submitting >= 0),
  pending        INTEGER NOT NULL DEFAULT 0 CHECK (pending >= 0),
  done           INTEGER NOT NULL DEFAULT 0,
  failed         INTEGER NOT NULL DEFAULT 0,
  timed_out      INTEGER NOT NULL DEFAULT 0,
  canceled       INTEGER NOT NULL DEFAULT 0,
  duplicate      INTEGER NOT NULL DEFAULT 0,
  rejected       INTEGER NOT NULL DEFAULT 0,
  by_webhook     INTEGER NOT NULL DEFAULT 0,
  by_poll        INTEGER NOT NULL DEFAULT 0,
  by_create      INTEGER NOT NULL DEFAULT 0,
  by_deadline    INTEGER NOT NULL DEFAULT 0,
  by_submit      INTEGER NOT NULL DEFAULT 0,
  by_cancel      INTEGER NOT NULL DEFAULT 0,
  late           INTEGER NOT NULL DEFAULT 0,
  double_charged INTEGER NOT NULL DEFAULT 0,
  cost_micros    INTEGER,
  cost           REAL    GENERATED ALWAYS AS (cost_micros / 1e6) VIRTUAL,
  api_calls      INTEGER NOT NULL DEFAULT 0,
  revision       INTEGER NOT NULL DEFAULT 0,
  summarized     INTEGER NOT NULL DEFAULT 0,
  generation     INTEGER NOT NULL DEFAULT 0,
  wake_at        INTEGER NOT NULL DEFAULT 0,
  touched_at     INTEGER NOT NULL,
  created_at     INTEGER NOT NULL,
  finished_at    INTEGER
) STRICT;

CREATE INDEX batches_owing ON batches (wake_at)
  WHERE (state = 'open' AND queued > 0) OR (state = 'finished' AND summarized < revision);

-- seq is the batch's seq in the upper and the row in the lower 32 bits: the
-- rows of a batch lie side by side, and a page of them needs no second index.
CREATE TABLE jobs (
  seq            INTEGER PRIMARY KEY,
  batch_seq      INTEGER GENERATED ALWAYS AS (seq >> 32) VIRTUAL,
  row            INTEGER GENERATED ALWAYS AS (seq & 4294967295) VIRTUAL,
  state          TEXT    NOT NULL CHECK (state IN ('queued', 'submitting', 'pending', 'done', 'failed',
                                                   'timed_out', 'canceled', 'duplicate', 'rejected')),
  attempt        INTEGER NOT NULL DEFAULT 0,
  lease_owner    TEXT,
  lease_until    INTEGER,
  created_at     INTEGER NOT NULL,
  submitted_at   INTEGER,
  closed_at      INTEGER,
  deadline       INTEGER,
  screenshot_id  TEXT    NOT NULL DEFAULT '',
  image_url      TEXT    NOT NULL DEFAULT '',
  error          TEXT    NOT NULL DEFAULT '',
  closed_by      TEXT    NOT NULL DEFAULT '' CHECK (closed_by IN ('', 'webhook', 'poll', 'create', 'deadline', 'submit', 'cancel')),
  cost_micros    INTEGER,
  cost           REAL    GENERATED ALWAYS AS (cost_micros / 1e6) VIRTUAL,
  late           INTEGER NOT NULL DEFAULT 0,
  double_charged INTEGER NOT NULL DEFAULT 0,
  conflicts      INTEGER NOT NULL DEFAULT 0,
  duplicate_of   INTEGER,
  line           INTEGER NOT NULL DEFAULT 0,
  url            TEXT    NOT NULL,
  request_key    BLOB,   -- hash of what makes two rows of a batch equal
  params         TEXT,
  tags           TEXT,
  metadata       TEXT,
  cells          TEXT
) STRICT;

-- Only open jobs are indexed; a closed one costs nothing any more.
CREATE INDEX jobs_queued   ON jobs (seq)               WHERE state = 'queued';
CREATE INDEX jobs_leased   ON jobs (lease_until)       WHERE lease_until IS NOT NULL;
CREATE INDEX jobs_pending  ON jobs (seq, submitted_at) WHERE state = 'pending';
CREATE INDEX jobs_deadline ON jobs (deadline)          WHERE state = 'pending';

-- One row per screenshot: extra 0 is the wanted one of an attempt, 1 and up
-- are charged beyond it. open_after is set while a screenshot whose id we do
-- not know may exist for the row: it outlives doubt and resending, and ends by
-- adoption, a surely unsent intent, or the end of the job. It is the inbox's
-- last place at the first intent, since clocks may step: only a delivery behind
-- it can be of that screenshot.
CREATE TABLE submissions (
  job_seq       INTEGER NOT NULL REFERENCES jobs (seq),
  attempt       INTEGER NOT NULL,
  extra         INTEGER NOT NULL DEFAULT 0,
  screenshot_id TEXT,
  intent_at     INTEGER,
  sends         INTEGER NOT NULL DEFAULT 0,
  open_after    INTEGER,
  doubt_since   INTEGER,
  check_at      INTEGER,
  outcome       TEXT CHECK (outcome IN ('done', 'failed')),
  outcome_by    TEXT,
  image_url     TEXT    NOT NULL DEFAULT '',
  cost_micros   INTEGER,
  PRIMARY KEY (job_seq, attempt, extra)
) STRICT, WITHOUT ROWID;

-- Not unique: the vendor's cache may answer two creates with one screenshot.
CREATE INDEX submissions_screenshot ON submissions (screenshot_id) WHERE screenshot_id IS NOT NULL;
CREATE INDEX submissions_open       ON submissions (open_after)    WHERE open_after IS NOT NULL;
CREATE INDEX submissions_doubt      ON submissions (doubt_since)   WHERE doubt_since IS NOT NULL;

-- Appending touches the last page of the table and no index. The body comes
-- last, so that applying a delivery does not read it.
CREATE TABLE inbox (
  seq           INTEGER PRIMARY KEY,
  received_at   INTEGER NOT NULL,
  disposition   TEXT    NOT NULL CHECK (disposition IN ('', 'held', 'foreign', 'noted', 'aside')),
  event         TEXT    NOT NULL,
  screenshot_id TEXT    NOT NULL,
  outcome       TEXT    NOT NULL CHECK (outcome IN ('', 'processing', 'done', 'failed')),
  image_url     TEXT    NOT NULL,
  error         TEXT    NOT NULL,
  aside_error   TEXT    NOT NULL DEFAULT '',
  body          BLOB    NOT NULL
) STRICT;

CREATE INDEX inbox_held ON inbox (screenshot_id) WHERE disposition = 'held';

-- Without AUTOINCREMENT, which would cost every append a second page, places
-- stay unique only as long as the newest row stays.
-- +goose StatementBegin
CREATE TRIGGER inbox_keeps_newest BEFORE DELETE ON inbox
WHEN OLD.seq = (SELECT max(seq) FROM inbox)
BEGIN
  SELECT RAISE(ABORT, 'the newest delivery must stay, or its place would be given again');
END;
-- +goose StatementEnd

CREATE TABLE cursors (
  name  TEXT    PRIMARY KEY,
  place INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO cursors (name, place) VALUES ('inbox', 0);

CREATE TABLE events (
  seq       INTEGER PRIMARY KEY AUTOINCREMENT,
  at        INTEGER NOT NULL,
  type      TEXT    NOT NULL,
  batch_seq INTEGER NOT NULL,
  job_seq   INTEGER,
  attempt   INTEGER NOT NULL DEFAULT 0,
  revision  INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE summaries (
  batch_seq INTEGER NOT NULL REFERENCES batches (seq),
  revision  INTEGER NOT NULL,
  at        INTEGER NOT NULL,
  data      BLOB    NOT NULL,
  PRIMARY KEY (batch_seq, revision)
) STRICT, WITHOUT ROWID;

CREATE TABLE ticks (
  name   TEXT    PRIMARY KEY,
  due_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE workers (
  id       TEXT    PRIMARY KEY,
  role     TEXT    NOT NULL,
  pid      INTEGER NOT NULL,
  receives INTEGER NOT NULL,
  seen_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
