package simulation

// bugsOfAmendments are bugs in the handling of rows that get another request.
var bugsOfAmendments = []bug{
	{
		name: "an amended row keeps its old screenshot", promise: "P1", file: "jobs/sqlite/amend.go",
		from: `late = 0, corrected = 0, screenshot_id = '', image_url = '', submitted_at = NULL,`,
		to:   `late = 0, corrected = 0, submitted_at = NULL,`,
	},
	{
		name: "an amendment ignores the state and attempt that were compared", promise: "P1", file: "jobs/sqlite/amend.go",
		from: `return row, found && row.attempt == each.Attempt && slices.Contains(each.From, row.state), err`,
		to:   `return row, found, err`,
	},
	{
		name: "amended rows are not counted", promise: "P6", file: "jobs/sqlite/amend.go",
		from: `	a.counts.move(row, to)
`,
		to: ``,
	},
	{
		name: "duplicates follow an amended row to another URL", promise: "P1", file: "jobs/sqlite/amend.go",
		from: `	if row.wasJob() {
		a.changed = append(a.changed, each.seq)
	}
`,
		to: ``,
	},
	{
		name: "an amendment without a queued row raises no revision", promise: "P5", file: "jobs/sqlite/amend.go",
		from: "reviseAmended = `UPDATE batches SET revision = revision + 1, wake_at = 0 WHERE",
		to:   "reviseAmended = `UPDATE batches SET wake_at = 0 WHERE",
	},
}
