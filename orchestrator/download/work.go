package download

import (
	"path"
	"strings"

	"shotline/jobs"
	"shotline/jobs/artifact"
)

// Work is one file to fetch. Run changes the file as it proceeds.
type Work struct {
	File     jobs.File
	Job      jobs.Job
	Batch    *jobs.Batch // of the job
	Template artifact.Template
	// Kept means that a file of the name existed and was kept, because of
	// Config.NoClobber. The file is then saved, with the size of what exists.
	Kept bool
	// Reason is the class of the error if the file could not be fetched.
	Reason Reason
}

// name returns the name that the template gives the file with an extension.
func (w Work) name(extension string) string {
	return w.Template.Name(artifact.Values{
		Job: w.Job, File: w.File, Columns: w.Batch.Columns, Tags: w.Batch.Tags, Extension: extension,
	})
}

// mayHaveName reports whether a name is that of the template, perhaps with a
// suffix.
func (w Work) mayHaveName(name string) bool {
	stem, _ := strings.CutSuffix(name, path.Ext(name))
	wanted := w.name(strings.ToLower(strings.TrimPrefix(path.Ext(name), ".")))
	wanted, _ = strings.CutSuffix(wanted, path.Ext(wanted))
	return stem == wanted || strings.HasPrefix(stem, wanted+"-")
}

// Counts are the results of a Run.
type Counts struct {
	Saved  int   // fetched and saved
	Kept   int   // existed before, and were kept because of Config.NoClobber
	Gone   int   // the vendor no longer has them
	Failed int   // could not be fetched
	Bytes  int64 // of the saved files
}

// Add counts a file that has ended.
func (c *Counts) Add(w Work) {
	switch {
	case w.Kept:
		c.Kept++
	case w.File.State == jobs.FileSaved:
		c.Saved++
		c.Bytes += w.File.Size
	case w.File.State == jobs.FileGone:
		c.Gone++
	default:
		c.Failed++
	}
}
