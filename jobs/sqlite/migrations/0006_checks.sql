-- +goose Up
-- The same constraints, written out. For a list behind IN, SQLite builds a table
-- whenever a statement writes the column: that took longer than to keep a delivery
-- or a row of an import. What lies in the tables stays as it is, so that the
-- texts alone are replaced.
PRAGMA writable_schema = ON;

UPDATE sqlite_schema SET sql = replace(sql, 'CHECK (state IN (''importing'', ''open'', ''paused'', ''finished''))',
  'CHECK (state = ''importing'' OR state = ''open'' OR state = ''paused'' OR state = ''finished'')')
  WHERE type = 'table' AND name = 'batches';

UPDATE sqlite_schema SET sql = replace(replace(replace(sql,
  'CHECK (state IN (''queued'', ''submitting'', ''pending'', ''done'', ''failed'',
                                                   ''timed_out'', ''canceled'', ''duplicate'', ''rejected''))',
  'CHECK (state = ''queued'' OR state = ''submitting'' OR state = ''pending'' OR state = ''done'' OR state = ''failed''
    OR state = ''timed_out'' OR state = ''canceled'' OR state = ''duplicate'' OR state = ''rejected'')'),
  'CHECK (closed_by IN ('''', ''webhook'', ''poll'', ''create'', ''deadline'', ''submit'', ''cancel''))',
  'CHECK (closed_by = '''' OR closed_by = ''webhook'' OR closed_by = ''poll'' OR closed_by = ''create''
    OR closed_by = ''deadline'' OR closed_by = ''submit'' OR closed_by = ''cancel'')'),
  'CHECK (vendor_says IN ('''', ''done'', ''failed''))',
  'CHECK (vendor_says = '''' OR vendor_says = ''done'' OR vendor_says = ''failed'')')
  WHERE type = 'table' AND name = 'jobs';

UPDATE sqlite_schema SET sql = replace(replace(sql,
  'CHECK (disposition IN ('''', ''held'', ''foreign'', ''noted'', ''aside''))',
  'CHECK (disposition = '''' OR disposition = ''held'' OR disposition = ''foreign'' OR disposition = ''noted'' OR disposition = ''aside'')'),
  'CHECK (outcome IN ('''', ''processing'', ''done'', ''failed''))',
  'CHECK (outcome = ''done'' OR outcome = ''failed'' OR outcome = '''' OR outcome = ''processing'')')
  WHERE type = 'table' AND name = 'inbox';

UPDATE sqlite_schema SET sql = replace(replace(sql, 'CHECK (state IN (''owed'', ''delivered'', ''dead''))',
  'CHECK (state = ''owed'' OR state = ''delivered'' OR state = ''dead'')'),
  'CHECK (claim IN (0, 1, 2))', 'CHECK (claim = 0 OR claim = 1 OR claim = 2)')
  WHERE type = 'table' AND name = 'callbacks';

PRAGMA writable_schema = OFF;
