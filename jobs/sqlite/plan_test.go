package sqlite

import (
	"database/sql/driver"
	"path/filepath"
	"strings"
	"testing"

	"shotline/jobs"
)

// plan returns the query plan of SQLite, one step per line.
func plan(t *testing.T, s *Store, query string) string {
	t.Helper()
	var steps []string
	explained(t, s, "EXPLAIN QUERY PLAN "+query, func(row scanner) error {
		var id, parent, unused int
		var detail string
		err := row.Scan(&id, &parent, &unused, &detail)
		steps = append(steps, detail)
		return err
	})
	return strings.Join(steps, "\n")
}

// program returns the operations of a compiled query.
func program(t *testing.T, s *Store, query string) (ops []string) {
	t.Helper()
	explained(t, s, "EXPLAIN "+query, func(row scanner) error {
		var op string
		var unused any
		err := row.Scan(&unused, &op, &unused, &unused, &unused, &unused, &unused, &unused)
		ops = append(ops, op)
		return err
	})
	return ops
}

func explained(t *testing.T, s *Store, query string, visit func(scanner) error) {
	t.Helper()
	must(t, s.write(t.Context(), func(tx *tx) error {
		var args []any // NULL for each parameter
		err := tx.conn.Raw(func(conn any) error {
			stmt, err := conn.(driver.Conn).Prepare(query)
			if err != nil {
				return err
			}
			args = make([]any, stmt.NumInput())
			return stmt.Close()
		})
		if err != nil {
			return err
		}
		return tx.each(visit, query, args...)
	}))
}

// TestHotQueriesUseTheirIndex checks that queries that run all the time do not
// scan a growing table.
func TestHotQueriesUseTheirIndex(t *testing.T) {
	s := openAt(t, filepath.Join(t.TempDir(), "plan.db"))
	fill(t, s, "b1", 50)
	submit(t, s, "b1", 50)
	for name, hot := range map[string]struct{ query, index string }{
		"lease":           {leaseJobs, "jobs_queued"},
		"lease ranked":    {leaseRanked, "jobs_ranked (batch_seq=?"},
		"rank rows":       {rankRows, "jobs_queued (seq>? AND seq<?)"},
		"extend lease":    {extendLease, "INTEGER PRIMARY KEY"},
		"record intent":   {recordIntent, "SEARCH inbox"},
		"known":           {knownScreenshots, "PRIMARY KEY (job_seq=? AND attempt=?)"},
		"adopt":           {adoptScreenshot, ""},
		"take over":       {loadTakenOver, "submissions_screenshot"},
		"fill":            {fillJob, "INTEGER PRIMARY KEY"},
		"next deliveries": {nextDeliveries, "INTEGER PRIMARY KEY"},
		"leases expired":  {leasesExpired, "jobs_leased"},
		"expired leases":  {expiredLeases, "jobs_leased"},
		"doubts are due":  {doubtsAreDue, "submissions_doubt"},
		"due doubts":      {dueDoubts, "submissions_doubt"},
		"settle doubt":    {settleDoubt, "PRIMARY KEY"},
		"intent of":       {intentOf, "PRIMARY KEY"},
		"lost creates":    {lostCreates, "submissions_lost"},
		"queue again":     {queueAgain, "INTEGER PRIMARY KEY"},
		"withdraw":        {withdrawIntent, "PRIMARY KEY"},
		"due levels":      {dueLevels, "batches_owing"},
		"claim work":      {claimWork, "batches_owing"},
		"work of":         {hasWorkOf, "id=?"},
		"claim work of":   {claimWorkOf, "id=?"},
		"most urgent":     {claimWork, "jobs_ranked (batch_seq=?"},
		"deliveries":      {loadDeliveries, "submissions_screenshot"},
		"unknown":         {classifyUnknown, "INTEGER PRIMARY KEY"},
		"held":            {loadHeld, "inbox_held"},
		"held is full":    {heldIsFull, "inbox_unapplied"},
		"held has room":   {heldHasRoom, "inbox_unapplied"},
		"unapplied":       {unapplied, "inbox_unapplied (disposition=? AND seq<?)"},
		"held shots":      {heldShots, "inbox_unapplied"},
		"known shot":      {isKnownShot, "submissions_screenshot"},
		"log disowned":    {logDisowned, "inbox_held"},
		"disown":          {disown, "inbox_held"},
		"inbox lag":       {oldestUnapplied, "INTEGER PRIMARY KEY"},
		"inbox waits":     {inboxHasWork, "inbox_unapplied"},
		"released":        {releaseUpTo, "inbox_unapplied"},
		"prune foreign":   {pageUnapplied, "inbox_unapplied"},
		"prune kind":      {removeUnapplied, "inbox_unapplied"},
		"bound":           {newestToGo, "inbox_unapplied"},
		"prune applied":   {pageApplied, "INTEGER PRIMARY KEY"},
		"remove applied":  {removeApplied, "INTEGER PRIMARY KEY"},
		"prune events":    {pageEvents, "INTEGER PRIMARY KEY"},
		"finished early":  {finishedWithOpenJobs, "jobs_pending"},
		"oldest intent":   {firstIntent, "submissions_open"},
		"record":          {recordOutcomes, "PRIMARY KEY"},
		"pick":            {pickClosing, "INTEGER PRIMARY KEY"},
		"prefer paid":     {preferPaid, "PRIMARY KEY"},
		"end intents":     {endSubmissions, "PRIMARY KEY"},
		"close":           {closeJobs, "INTEGER PRIMARY KEY"},
		"count":           {countClosings, "INTEGER PRIMARY KEY"},
		"revise":          {reviseBatches, "INTEGER PRIMARY KEY"},
		"finish":          {finishBatches + `IN (SELECT DISTINCT job_seq >> 32 FROM closing) RETURNING seq`, "INTEGER PRIMARY KEY"},
		"conflicts":       {countConflicts, "INTEGER PRIMARY KEY"},
		"result":          {loadResult, "submissions_screenshot"},
		"asked":           {pickRequested, "INTEGER PRIMARY KEY"},
		"overdue":         {selectJobs + overdueJobs, "jobs_deadline"},
		"overdue of":      {selectJobs + overdueOf, "jobs_deadline"},
		"next deadline":   {nextDeadline, "jobs_deadline"},
		"cancel":          {pickCancelable, "INTEGER PRIMARY KEY"},
		"cancel asked":    {pickAskedToCancel, "INTEGER PRIMARY KEY"},
		"ask to cancel":   {askToCancel, "INTEGER PRIMARY KEY"},
		"pick retried":    {pickRetried, "INTEGER PRIMARY KEY"},
		"retry":           {retryJobs, "INTEGER PRIMARY KEY"},
		"wait again":      {waitAgain, "INTEGER PRIMARY KEY"},
		"paid":            {pickPaid, "PRIMARY KEY (job_seq=? AND attempt>?)"},
		"waiting":         {pickWaiting, "PRIMARY KEY"},
		"wake":            {wakeRetried, "INTEGER PRIMARY KEY"},
		"read amended":    {readAmended, "INTEGER PRIMARY KEY"},
		"amend":           {replaceRequest, "INTEGER PRIMARY KEY"},
		"equal job":       {isEqualJob, "INTEGER PRIMARY KEY"},
		"equal rows":      {rowsWithKeys, "INTEGER PRIMARY KEY (rowid>? AND rowid<?)"},
		"amended job":     {amendedJob, "jobs_amended (batch_seq=? AND request_key=?)"},
		"duplicates":      {firstDuplicate, "jobs_duplicates (batch_seq=? AND duplicate_of=?)"},
		"repeat other":    {repeatOther, "jobs_duplicates (batch_seq=? AND duplicate_of=?)"},
		"reopen":          {reopenBatches, "INTEGER PRIMARY KEY"},
		"open conflicts":  {insertConflicts, ""},
		"verdicts":        {pickVerdicts, "PRIMARY KEY"},
		"settle verdicts": {settleConflicts, "PRIMARY KEY"},
		"apply verdicts":  {applyVerdicts, "PRIMARY KEY"},
		"corrections":     {pickCorrections, "INTEGER PRIMARY KEY"},
		"end as newest":   {endAsNewest, "INTEGER PRIMARY KEY"},
		"check again":     {recheckConflict, "PRIMARY KEY"},
		"conflicts due":   {conflictsAreDue, "contradictions_due"},
		"due conflicts":   {dueConflicts, "contradictions_due"},
		"unsettled":       {countUnsettled, "submissions_doubt"},
		"pending":         {selectJobs + pendingJobs, "jobs_pending"},
		"due files":       {dueFiles, "SEARCH files USING INDEX files_wanted (wake_at<?)"},
		"due files of":    {dueFilesOf, "files_wanted (wake_at<?)"},
		"claim file":      {claimFile, "PRIMARY KEY"},
		"name file":       {nameFile, "PRIMARY KEY"},
		"settle file":     {settleFile, "PRIMARY KEY"},
		"files of rows":   {filesBetween, "PRIMARY KEY (job_seq>? AND job_seq<?)"},
		"count files":     {countFiles, "PRIMARY KEY (job_seq>? AND job_seq<?)"},
		"name a file":     {nameFile, "files_old (folder=? AND old_folded=?)"},
		"replaced files":  {wantReplaced, "files_named (folder=? AND folded=?)"},
		"replaced old":    {forgetReplaced, "files_old (folder=? AND old_folded=?)"},
		"failed files of": {wantFailedOf, "files_failed (job_seq>? AND job_seq<?)"},
		"jobs to look at": {jobsToLookAt, "download_orders_incomplete"},
		"one job":         {selectJobs + oneJob, "SEARCH jobs USING INTEGER PRIMARY KEY (rowid=?)"},
		"rows":            {selectJobs + rowsAfter, "SEARCH jobs USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"},
	} {
		t.Run(name, func(t *testing.T) {
			got := plan(t, s, hot.query)
			if !strings.Contains(got, hot.index) {
				t.Errorf("%s is not used:\n%s", hot.index, got)
			}
			wantNoScan(t, got, "jobs", "submissions", "inbox", "files", "j", "s", "i")
		})
	}
}

// TestJobPagesUseIndexes checks the queries of lists and searches in both
// directions.
func TestJobPagesUseIndexes(t *testing.T) {
	s := openAt(t, filepath.Join(t.TempDir(), "plan.db"))
	fill(t, s, "b1", 50)
	for name, list := range map[string]struct {
		search jobs.JobSearch
		index  []string
	}{
		"all":             {jobs.JobSearch{}, []string{"SEARCH jobs USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"}},
		"a batch":         {jobs.JobSearch{JobFilter: jobs.JobFilter{Batch: "b1", After: jobs.ID{Batch: "b1", Row: 7}}}, []string{"INTEGER PRIMARY KEY (rowid>? AND rowid<?)"}},
		"a text":          {jobs.JobSearch{Text: "x"}, []string{"INTEGER PRIMARY KEY (rowid>? AND rowid<?)"}},
		"an error":        {jobs.JobSearch{Error: "x"}, []string{"INTEGER PRIMARY KEY (rowid>? AND rowid<?)"}},
		"tags":            {jobs.JobSearch{Tags: []string{"x", "y"}}, []string{"INTEGER PRIMARY KEY (rowid>? AND rowid<?)", "SEARCH batches USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"}},
		"a field":         {jobs.JobSearch{Metadata: map[string]string{"a": "1"}}, []string{"INTEGER PRIMARY KEY (rowid>? AND rowid<?)"}},
		"a time":          {jobs.JobSearch{Since: noon, Until: noon}, []string{"INTEGER PRIMARY KEY (rowid>? AND rowid<?)"}},
		"done":            {jobs.JobSearch{JobFilter: jobs.JobFilter{States: []jobs.State{jobs.Done}}}, []string{"INTEGER PRIMARY KEY (rowid>? AND rowid<?)"}},
		"queued":          {jobs.JobSearch{JobFilter: jobs.JobFilter{States: []jobs.State{jobs.Queued}}}, []string{"jobs_queued (seq>? AND seq<?)"}},
		"pending":         {jobs.JobSearch{JobFilter: jobs.JobFilter{States: []jobs.State{jobs.Pending}}}, []string{"jobs_pending (seq>? AND seq<?)"}},
		"failed":          {jobs.JobSearch{JobFilter: jobs.JobFilter{States: []jobs.State{jobs.Failed}}}, []string{"jobs_flawed (state=? AND rowid>? AND rowid<?)"}},
		"pending, failed": {jobs.JobSearch{JobFilter: jobs.JobFilter{States: []jobs.State{jobs.Pending, jobs.Failed}}}, []string{"jobs_pending (seq>?", "jobs_flawed (state=?"}},
		"timed out, canceled, rejected": {jobs.JobSearch{JobFilter: jobs.JobFilter{States: []jobs.State{jobs.TimedOut, jobs.Canceled, jobs.Rejected}}},
			[]string{"jobs_flawed (state=?"}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, newest := range []bool{false, true} {
				list.search.Newest = newest
				var q search
				must(t, s.look(t.Context(), func(v view) (err error) {
					q, err = v.search(list.search)
					return err
				}))
				got := plan(t, s, q.query())
				for _, index := range list.index {
					if !strings.Contains(got, index) {
						t.Errorf("newest first: %t: %s is not used:\n%s", newest, index, got)
					}
				}
				wantNoScan(t, got, "jobs", "batches")
				if strings.Contains(got, "ORDER BY") {
					t.Errorf("newest first: %t: sorts rows that are in order:\n%s", newest, got)
				}
			}
		})
	}
}

// wantNoScan checks that a plan does not scan any of the tables.
func wantNoScan(t *testing.T, plan string, tables ...string) {
	t.Helper()
	for line := range strings.Lines(plan) {
		for _, table := range tables {
			if line = strings.TrimSpace(line); line == "SCAN "+table {
				t.Errorf("scans the table %s:\n%s", table, plan)
			}
		}
	}
}

// TestHistoryIsNotScanned checks queries on tables that grow over the years:
// finished batches, old events and delivered callbacks.
func TestHistoryIsNotScanned(t *testing.T) {
	s := openAt(t, filepath.Join(t.TempDir(), "plan.db"))
	for name, q := range map[string]struct{ query, index string }{
		"one batch":           {oneBatch, "sqlite_autoindex_batches_1 (id=?)"},
		"batches":             {pageOfBatches, "INTEGER PRIMARY KEY (rowid<?)"},
		"stale imports":       {staleImports, "batches_importing"},
		"pending batches":     {pendingBatches, "jobs_pending"},
		"unfinished":          {unfinished, "batches_unfinished"},
		"unsummarized":        {unsummarized, "batches_owing"},
		"finished early":      {finishedWithOpenJobs, "jobs_queued"},
		"events":              {selectEvents + ` ORDER BY e.seq LIMIT ?`, "INTEGER PRIMARY KEY (rowid>? AND rowid<?)"},
		"calls":               {selectEvents + ` AND ` + eventCallbackURL + ` <> '' ORDER BY e.seq LIMIT ?`, "SEARCH e USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"},
		"events of a batch":   {selectEvents + ` AND e.batch_seq = ? ORDER BY e.seq LIMIT ?`, "SEARCH e USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"},
		"add callback":        {insertCallback, ""},
		"end of scan":         {endOfScan, "INTEGER PRIMARY KEY"},
		"newest event":        {newestEvent, "sqlite_sequence"},
		"log unknown":         {logUnknown, "INTEGER PRIMARY KEY"},
		"log released":        {logReleased, "inbox_unapplied"},
		"prune foreign":       {pageForeignEvents, "events_foreign"},
		"remove foreign":      {removeForeignEvents, "events_foreign"},
		"prune keys":          {pageKeys, "INTEGER PRIMARY KEY"},
		"prune summaries":     {pageSummaries, "PRIMARY KEY (batch_seq>?)"},
		"remove summaries":    {removeSummaries, "PRIMARY KEY (batch_seq>? AND batch_seq<?)"},
		"reasons":             {groupReasons, "jobs_flawed (state=? AND rowid>? AND rowid<?)"},
		"prune callbacks":     {pageCallbacks, "INTEGER PRIMARY KEY"},
		"remove callbacks":    {removeCallbacks, "INTEGER PRIMARY KEY"},
		"due callbacks":       {dueCallbacks, "SEARCH callbacks USING COVERING INDEX callbacks_owed (lane=? AND wake_at<?)"},
		"lanes":               {dueCallbacks, "SEARCH callbacks USING COVERING INDEX callbacks_owed (lane>?)"},
		"callbacks under way": {dueCallbacks, "SEARCH u USING INDEX callbacks_claimed (lane=? AND wake_at>?)"},
		"owed of a lane":      {countOwed, "SEARCH callbacks USING COVERING INDEX callbacks_owed (lane=?)"},
		"claim callback":      {claimCallback, "INTEGER PRIMARY KEY"},
		"begin callback":      {beginCallback, "INTEGER PRIMARY KEY"},
		"settle callback":     {settleCallback, "INTEGER PRIMARY KEY"},
		"replay callback":     {replayCallback, "INTEGER PRIMARY KEY"},
		"unsettled":           {countUnsettled, "callbacks_owed"},
		"dead callbacks":      {`SELECT seq FROM callbacks WHERE seq < ? AND state = 'dead' AND sink = ? ORDER BY seq DESC LIMIT ?`, "callbacks_dead"},
		"callbacks of batch":  {`SELECT seq FROM callbacks WHERE seq < ? AND batch_seq = ? ORDER BY seq DESC LIMIT ?`, "callbacks_batch"},
	} {
		t.Run(name, func(t *testing.T) {
			got := plan(t, s, q.query)
			if !strings.Contains(got, q.index) {
				t.Errorf("%s is not used:\n%s", q.index, got)
			}
			wantNoScan(t, got, "batches", "b", "jobs", "events", "e", "inbox", "callbacks", "d", "u")
			if strings.Contains(got, "LAST TERM OF ORDER BY") {
				t.Errorf("sorts rows that the index has in order:\n%s", got)
			}
		})
	}
}
