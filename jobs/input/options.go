package input

import "shotline/jobs/csvfile"

// Options are the options of Open and OpenFiles.
type Options struct {
	// Encoding is the name of the encoding of the text. If it is empty, the content
	// decides.
	Encoding string
	// URLColumn is the name of the URL column, or its number; see csvfile.Options.
	URLColumn string
	// Objects says that the input is JSON Lines, whatever it looks like.
	Objects bool
	// Amends says that each row names its job. In JSON Lines the field job_id does,
	// which is metadata otherwise.
	Amends bool
	// CheckURL checks the callback URLs of rows. If it is nil, rows cannot have any.
	CheckURL func(url string) error
	// TempDir is the folder for temporary files; empty: os.TempDir.
	TempDir string
	// MaxSize is the maximum size of a gzip input or a workbook after it is
	// decompressed; 0: no limit, except that of a workbook.
	MaxSize int64
	// MaxRow is the maximum size of a row in bytes; 0 means csvfile.DefaultMaxRow.
	MaxRow int
}

func (o Options) maxRow() int {
	if o.MaxRow > 0 {
		return o.MaxRow
	}
	return csvfile.DefaultMaxRow
}

func (o Options) csv(separator byte) csvfile.Options {
	return csvfile.Options{MaxRow: o.MaxRow, URLColumn: o.URLColumn, Separator: separator, CheckURL: o.CheckURL}
}
