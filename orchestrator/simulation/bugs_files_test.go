package simulation

// bugsOfFiles are bugs in the fetching and recording of files.
var bugsOfFiles = []bug{
	{
		name: "a file is recorded before it is saved", promise: "P6", file: "orchestrator/download/fetch.go",
		from: `	size, err := r.Folder.Save(w.File.Name, artifact.Source{`,
		to: `	saved := *w
	saved.File.State, saved.File.Size, saved.File.Type = jobs.FileSaved, body.Length, mediaType
	if err := r.Ledger.SettleFiles(ctx, []Work{saved}); err != nil {
		return err
	}
	size, err := r.Folder.Save(w.File.Name, artifact.Source{`,
	},
	{
		name: "a file of a worker that died is not claimed again", promise: "P8", file: "jobs/sqlite/filework.go",
		from: "claimFile  = `UPDATE files SET wake_at = ? WHERE",
		to:   "claimFile  = `UPDATE files SET wake_at = ? + 864000000 WHERE",
	},
	{
		name: "files that were enqueued once are not enqueued again", promise: "P8", file: "orchestrator/download/worker.go",
		from: `	for more := true; more; {
		var err error
		if _, more, err = w.Store.WantFiles(ctx, w.Clock.Now(), wantLimit); err != nil {
			return err
		}
	}
	now := w.Clock.Now()
`,
		to: `	sum := 0
	for more := true; more; {
		var wanted int
		var err error
		if wanted, more, err = w.Store.WantFiles(ctx, w.Clock.Now(), wantLimit); err != nil {
			return err
		}
		sum += wanted
	}
	now := w.Clock.Now()
	if sum == 0 {
		return nil
	}
`,
	},
	{
		name: "a task of files that is stuck blocks all later ones", promise: "P8", file: "orchestrator/download/worker.go",
		from: `EnqueueFiles(ctx, now.UnixNano()/int64(taskPeriod))`,
		to:   `EnqueueFiles(ctx, min(now.UnixNano(), 1))`,
	},
	{
		name: "a job with another screenshot keeps its old file", promise: "P6", file: "jobs/sqlite/downloads.go",
		from: `WHERE screenshot <> excluded.screenshot OR folder <> excluded.folder`,
		to:   `WHERE folder <> excluded.folder`,
	},
	{
		name: "a file that is not saved stays recorded when its job is no longer done", promise: "P6", file: "jobs/sqlite/downloads.go",
		from: `_, err := t.exec(forgetFiles, seq)`,
		to:   `err := error(nil)`,
	},
	{
		name: "an order does not look at jobs that closed before", promise: "P6", file: "jobs/sqlite/downloads.go",
		from: `		if state == jobs.Done {
			done = append(done, place)
`,
		to: `		if state == jobs.Done && place == 0 {
			done = append(done, place)
`,
	},
	{
		name: "an order of another folder leaves files in the old one", promise: "P6", file: "jobs/sqlite/downloads.go",
		from: `at = excluded.at,
		looked_to = 0, complete = 0
`,
		to: `at = excluded.at
`,
	},
	{
		name: "two files take one name", promise: "P6", file: "jobs/sqlite/filework.go",
		from: `[]any{f.Name, jobs.FoldName(f.Name)}`,
		to:   `[]any{f.Name, f.Job.String() + string(f.Output) + fmt.Sprint(f.Shot)}`,
	},
	{
		name: "names that differ in case only are different names", promise: "P6", file: "jobs/filename.go",
		from: `return strings.ToLower(strings.ToUpper(name))`,
		to:   `return strings.TrimSpace(name)`,
	},
	{
		name: "a file fails for ever after one run", promise: "P8", file: "orchestrator/download/storeledger.go",
		from: `!l.Once && w.Reason != ReasonSize && f.Tries < maxTries`,
		to:   `!l.Once && f.Tries < triesTogether`,
	},
	{
		name: "a file that is not ready counts as gone at once", promise: "P8", file: "orchestrator/download/fetch.go",
		from: `errors.Is(err, client.ErrNotFound) && r.Clock.Now().Sub(w.Job.ClosedAt) > client.OutputGrace {`,
		to:   `errors.Is(err, client.ErrNotFound) {`,
	},
	{
		name: "tries of a file are not counted", promise: "P8", file: "orchestrator/download/fetch.go",
		from: `		w.File.Tries++
`,
		to: ``,
	},
	{
		name: "a run repeats calls for a file without a limit", promise: "P9", file: "orchestrator/download/fetch.go",
		from: `		attempt++
		if err := r.Clock`,
		to: `		if err := r.Clock`,
	},
	{
		name: "a file that is cut off is saved", promise: "P6", file: "jobs/artifact/save.go",
		from: `		case from.Length >= 0 && size != from.Length:
`,
		to: `		case from.Length < 0 && size != from.Length:
`,
	},
}
