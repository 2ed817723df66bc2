package jobjson

import "shotline/jobs"

// Amended counts the rows of an amendment by their result.
type Amended struct {
	BatchID   string `json:"batch_id" example:"b7k2m9q4x1"`
	Amended   int    `json:"amended" doc:"Rows that got another request"`
	Queued    int    `json:"queued" doc:"Jobs that are queued again with the same request"`
	Unchanged int    `json:"unchanged" doc:"Rows that were left as they are"`
	Separated int    `json:"separated" doc:"Duplicates of amended rows that became jobs"`
	Done      int    `json:"done" doc:"Jobs that are done after all: their image was found, or arrived in the meantime"`
	Waiting   int    `json:"waiting" doc:"Jobs that wait again for the screenshot that they had when they were canceled, because the vendor is still working on it"`
	Left      int    `json:"left" doc:"Rows that others changed in the meantime"`
	Unasked   int    `json:"unasked" doc:"Jobs that were not retried because they might have an image and the vendor could not be queried"`

	Notes []string `json:"notes,omitempty" nullable:"false" doc:"What the columns of a CSV were taken for, and names that resemble a parameter"`
}

// AmendedFrom returns the counts of an amendment, and the notes on its input.
func AmendedFrom(batch string, done jobs.AmendCounts, notes []string) Amended {
	return Amended{
		BatchID: batch, Amended: done.Amended, Queued: done.Queued, Unchanged: done.Unchanged, Separated: done.Separated,
		Done: done.Done, Waiting: done.Waiting, Left: done.Skipped, Unasked: done.Unchecked, Notes: notes,
	}
}
