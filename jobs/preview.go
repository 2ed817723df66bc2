package jobs

// Preview is what an import would do.
type Preview struct {
	Rows, Accepted, Duplicates, Rejected int64
	// Reasons are those of the rejected rows, the most frequent first.
	Reasons []PreviewReason
	// Credits is what the creates should cost whose option set has a known cost, at
	// the mean cost of earlier creates. Most is the same at their highest cost.
	Credits, Most float64
	// Unknown is the number of creates whose option set has no known cost.
	Unknown int64
}

// PreviewReason is a reason for which rows are rejected.
type PreviewReason struct {
	Text  string
	Count int64
	Row   int64 // the first one, counted from 1
	Line  int   // of the first one; 0 if it has none
}
