package simulation

var bugsOfCorrections = []bug{
	{
		name: "the first of two contradictory results is never corrected", promise: "P1", file: "jobs/sqlite/corrections.go",
		from: `	WHERE v.refutes AND (
		(v.outcome = 'done' AND`,
		to: `	WHERE v.refutes < 0 AND (
		(v.outcome = 'done' AND`,
	},
	{
		name: "the later of two contradictory results is applied without a look-up", promise: "P1", file: "jobs/sqlite/inbox.go",
		from: `	return t.settle(at, &applied.Effects)
`,
		to: `	if err := t.settle(at, &applied.Effects); err != nil {
		return err
	}
	if _, err := t.exec("UPDATE outcomes SET closed_by = 'poll'"); err != nil {
		return err
	}
	return t.correct(at, &applied.Effects)
`,
	},
	{
		name: "the vendor is not queried about contradictory results", promise: "P1, P8", file: "orchestrator/conflict.go",
		from: `	for _, c := range claimed {
		byBatch`,
		to: `	for _, c := range claimed[:0] {
		byBatch`,
	},
	{
		name: "the vendor is queried about contradictory results of the newest attempt only", promise: "P1", file: "jobs/sqlite/conflicts.go",
		from: `	FROM outcomes WHERE outcome <> recorded AND extra = 0 GROUP BY`,
		to:   `	FROM outcomes WHERE outcome <> recorded AND extra = 0 AND attempt = (SELECT j.attempt FROM jobs j WHERE j.seq = job_seq) GROUP BY`,
	},
	{
		name: "a correction raises no revision", promise: "P5", file: "jobs/sqlite/batchend.go",
		from: `FROM closing WHERE late OR correction)`,
		to:   `FROM closing WHERE late AND NOT correction)`,
	},
	{
		name: "corrections are not counted", promise: "P6", file: "jobs/sqlite/batchend.go",
		from: `	add("corrected", "sum(to_state <> 'queued' AND (correction OR was_corrected)) - sum(was_corrected)")
`,
		to: ``,
	},
	{
		name: "a correction leaves the result of its submission", promise: "P1", file: "jobs/sqlite/corrections.go",
		from: `[]string{settleConflicts, applyVerdicts}`,
		to:   `[]string{settleConflicts}`,
	},
	{
		name: "a correction is logged as an ordinary end", promise: "P1", file: "jobs/sqlite/close.go",
		from: `CASE WHEN correction THEN 'job.corrected' WHEN late`,
		to:   `CASE WHEN late`,
	},
}
