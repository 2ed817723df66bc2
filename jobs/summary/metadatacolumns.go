package summary

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"shotline/jobs"
	"shotline/jobs/csvfile"
)

// The names of metadata are collected before the first row is written. More than
// these limits are not columns, so that neither memory nor the width of the table
// depends on the rows.
const (
	maxMetadataNames = 1000
	maxMetadataBytes = 64 << 10 // of all names together
)

// metadataColumns are the columns for the metadata of rows without cells, such as
// those from JSON.
type metadataColumns struct {
	names []string // in their order
	whole bool     // there are too many names: one column has all metadata as JSON
}

// findMetadata returns the columns for the metadata of a batch. A batch with
// columns of its own needs none.
func findMetadata(ctx context.Context, src RowSource, batch jobs.Batch) (metadataColumns, error) {
	if len(batch.Columns) > 0 {
		return metadataColumns{}, nil
	}
	names, size := map[string]bool{}, 0
	err := Results{}.each(ctx, src, batch.ID, func(row jobs.Row) error {
		if row.Cells != nil || size > maxMetadataBytes || len(names) > maxMetadataNames {
			return nil
		}
		for name := range row.Metadata {
			if !names[name] {
				names[name] = true
				size += len(name)
			}
		}
		return nil
	})
	if size > maxMetadataBytes || len(names) > maxMetadataNames {
		return metadataColumns{whole: true}, err
	}
	return metadataColumns{names: slices.Sorted(maps.Keys(names))}, err
}

// header returns the names of the columns. An input that has them reads the same
// metadata.
func (m metadataColumns) header() []string {
	if m.whole {
		return []string{"metadata"}
	}
	header := make([]string, len(m.names))
	for i, name := range m.names {
		header[i] = csvfile.MetadataColumn(name)
	}
	return header
}

// fill sets the cells of a row.
func (m metadataColumns) fill(cells []string, metadata jobs.Metadata) {
	if m.whole && len(metadata) > 0 {
		data, _ := json.Marshal(metadata) // of scalars, which have no errors
		cells[0] = string(data)
	}
	for i, name := range m.names {
		if value := metadata[name]; value != nil {
			cells[i] = fmt.Sprint(value)
		}
	}
}
