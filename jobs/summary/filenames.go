package summary

import (
	"context"

	"shotline/jobs"
)

// fileSource reads the records of files. Every jobs.Files implements it.
type fileSource interface {
	FilesOf(ctx context.Context, batch string, after, last int64) ([]jobs.File, error)
}

// namedRows is a RowSource that also knows the names of the saved images of the
// rows of its newest page.
type namedRows struct {
	RowSource
	files fileSource
	names map[jobs.ID]string
}

// Rows implements RowSource.
func (n *namedRows) Rows(ctx context.Context, batch string, after int64, limit int) ([]jobs.Row, error) {
	rows, err := n.RowSource.Rows(ctx, batch, after, limit)
	if err != nil || len(rows) == 0 {
		return rows, err
	}
	n.names = map[jobs.ID]string{}
	if err := n.read(ctx, batch, after, rows[len(rows)-1].ID.Row); err != nil {
		return nil, err
	}
	seen := map[jobs.ID]bool{}
	for _, row := range rows {
		if o := row.Original; o != nil && o.ID.Row <= after && !seen[o.ID] { // on an earlier page
			seen[o.ID] = true
			if err := n.read(ctx, batch, o.ID.Row-1, o.ID.Row); err != nil {
				return nil, err
			}
		}
	}
	return rows, nil
}

func (n *namedRows) read(ctx context.Context, batch string, after, last int64) error {
	files, err := n.files.FilesOf(ctx, batch, after, last)
	for _, f := range files {
		if f.State == jobs.FileSaved && f.Output == jobs.OutputImage && f.Shot == 1 {
			n.names[f.Job] = f.Name
		}
	}
	return err
}

// name returns the name of the saved image of a job.
func (n *namedRows) name(j jobs.Job) string { return n.names[j.ID] }
