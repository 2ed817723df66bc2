package simulation

var bugsOfCallbacks = []bug{
	{
		name: "a reader's cursor moves before its callbacks are stored", promise: "P5", file: "jobs/sqlite/readers.go",
		from: `		if err != nil || !moved {
			return err
		}
		for _, c := range callbacks {
`,
		to: `		return err
	})
	if err != nil || !moved {
		return moved, wrapError(err, "add callbacks of cursor %s", cursor)
	}
	err = write(ctx, func(t *tx) error {
		for _, c := range callbacks {
`,
	},
	{
		name: "a callback counts as delivered before it is sent", promise: "P5", file: "orchestrator/callback/deliver.go",
		from: `	end, outcome := d.attempt(ctx, cb)
	now := d.now()
`,
		to: `	now := d.now()
	if err := d.store.SettleCallback(ctx, cb, jobs.CallbackEnd{State: jobs.CallbackDelivered, Status: 200}, now, now); err != nil {
		return nil, err
	}
	end, outcome := d.attempt(ctx, cb)
`,
	},
	{
		name: "an error pauses a batch without an event", promise: "P5", file: "jobs/sqlite/batches.go",
		from: `AND state IN ('open', 'paused') AND pause_reason = ''` + "`",
		to:   `AND state = 'importing' AND pause_reason = ''` + "`",
	},
	{
		name: "each attempt has a different id", promise: "P5", file: "orchestrator/callback/deliver.go",
		from: `d.signer.sign(request.Header, cb.EventID, now, cb.Body)`,
		to:   `d.signer.sign(request.Header, fmt.Sprint(cb.EventID, "_", cb.Attempts), now, cb.Body)`,
	},
	{
		name: "the signature is not that of the body that is sent", promise: "P5", file: "orchestrator/callback/deliver.go",
		from: `now, cb.Body); err != nil {`,
		to:   `now, bytes.TrimRight(cb.Body, "}")); err != nil {`,
	},
	{
		name: "a callback of a worker that died is not claimed again", promise: "P5", file: "jobs/sqlite/callbacks.go",
		from: `WHERE state = 'owed' AND lane = lanes.lane AND wake_at <= ?1 ORDER BY`,
		to:   `WHERE state = 'owed' AND claim = 0 AND lane = lanes.lane AND wake_at <= ?1 ORDER BY`,
	},
	{
		name: "a callback that is claimed again keeps its generation", promise: "P5", file: "jobs/sqlite/callbacks.go",
		from: `SET claim = 1, generation = generation + 1,`,
		to:   `SET claim = 1, generation = 1,`,
	},
	{
		name: "the URL of a batch is called for its jobs, too", promise: "P5", file: "jobs/sqlite/events.go",
		from: `b.callback_url <> '' AND b.single = (e.job_seq IS NOT NULL)`,
		to:   `b.callback_url <> ''`,
	},
	{
		name: "the URL of a row is called only for a batch without one", promise: "P5", file: "jobs/sqlite/events.go",
		from: `WHEN b.row_callbacks AND e.job_seq IS NOT NULL`,
		to:   `WHEN b.row_callbacks AND b.callback_url = '' AND e.job_seq IS NOT NULL`,
	},
	{
		name: "a callback shows a later state of its job", promise: "P5", file: "jobs/message.go",
		from: `	if jobMatches(j, e) {
`,
		to: `	if jobMatches(j, e) || e.Type != "" {
`,
	},
	{
		name: "a target that answered 410 is called again", promise: "P5", file: "orchestrator/callback/deliver.go",
		from: `	case status == http.StatusGone:
`,
		to: `	case status == -http.StatusGone:
`,
	},
	{
		name: "the Retry-After of a target is ignored", promise: "P5", file: "orchestrator/callback/deliver.go",
		from: `now.Add(max(interval(cb.Attempts, d.random()), wait))`,
		to:   `now.Add(max(interval(cb.Attempts, d.random()), min(wait, 0)))`,
	},
	{
		name: "a callback is dead after its first failure", promise: "P5", file: "orchestrator/callback/deliver.go",
		from: `if due.After(cb.FirstAt.Add(d.cfg.Retry)) {`,
		to:   `if due.After(cb.FirstAt) {`,
	},
	{
		name: "a sink of failures receives every end of a batch", promise: "P5", file: "orchestrator/callback/sink.go",
		from: `	return isBatch && s.mayWant(m.Type) && !b.Single && (m.Type.Info().Sinks == jobs.SinksFailures || b.Counts.Flawed() > 0)
`,
		to: `	return isBatch && s.mayWant(m.Type) && (b.Single || !b.Single)
`,
	},
}
