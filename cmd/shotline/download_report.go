package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"shotline/jobs"
	"shotline/jobs/artifact"
	"shotline/jobs/number"
	"shotline/orchestrator/download"
)

// downloadReport shows the progress and the result of a download.
type downloadReport struct {
	c        *cli.Context
	source   *download.Source
	progress *progress
	began    time.Time
	total    int64 // rows
	open     int64 // rows that have not ended
	counts   download.Counts
	missing  []string // the first files that could not be had
}

// maxMissing is how many files that could not be had are listed.
const maxMissing = 10

func newDownloadReport(c *cli.Context, source *download.Source, orders []download.Order) *downloadReport {
	r := &downloadReport{c: c, source: source, progress: newProgress(c.App.ErrWriter), began: time.Now()}
	r.progress.noun, r.progress.verb = "row", ""
	for _, o := range orders {
		if o.Job != nil {
			r.total++
			continue
		}
		r.total += o.Batch.Counts.Rows
		r.open += o.Batch.Counts.Open()
	}
	return r
}

// ended counts a file and shows the progress.
func (r *downloadReport) ended(w download.Work) {
	r.counts.Add(w)
	if w.File.State != jobs.FileSaved && len(r.missing) < maxMissing {
		r.missing = append(r.missing, fmt.Sprintf("%s of %s: %s", w.File.Output, w.File.Job, printable(w.File.Error)))
	}
	r.progress.files(r.source.Rows(), r.total, int64(r.counts.Saved), int64(r.counts.Gone+r.counts.Failed))
}

// print prints the result and returns the error for the exit code.
func (r *downloadReport) print(dir string) error {
	took := time.Since(r.began)
	if r.c.Bool(jsonFlag.Name) {
		err := json.NewEncoder(r.c.App.Writer).Encode(struct {
			Folder   string  `json:"folder"`
			Saved    int     `json:"saved"`
			Bytes    int64   `json:"bytes"`
			Skipped  int64   `json:"skipped"`
			Kept     int     `json:"kept"`
			Gone     int     `json:"gone"`
			Failed   int     `json:"failed"`
			RowsOpen int64   `json:"rows_open"`
			Seconds  float64 `json:"seconds"`
		}{dir, r.counts.Saved, r.counts.Bytes, r.source.Skipped(), r.counts.Kept, r.counts.Gone, r.counts.Failed, r.open, took.Round(time.Millisecond).Seconds()})
		if err != nil {
			return err
		}
	} else {
		text := fmt.Sprintf("%s saved in %s (%.1f MB, %s)", number.Of(r.counts.Saved, "file"), printable(dir), float64(r.counts.Bytes)/1e6, roundForDisplay(took))
		for _, more := range []struct {
			n    int
			text string
		}{
			{int(r.source.Skipped()), "saved before"}, {r.counts.Kept, "kept, because they exist"},
			{r.counts.Gone, "gone: the vendor no longer has them"}, {r.counts.Failed, "failed"},
		} {
			if more.n > 0 {
				text += fmt.Sprintf("\n  %d %s", more.n, more.text)
			}
		}
		if _, err := fmt.Fprintln(r.c.App.Writer, text); err != nil {
			return err
		}
	}
	errs := r.c.App.ErrWriter
	if n := r.source.OtherNames(); n > 0 {
		fmt.Fprintf(errs, "%s kept the names of an earlier --%s: use another folder for other names\n", number.Of(n, "file"), fileNameFlag.Name)
	}
	if r.open > 0 {
		fmt.Fprintf(errs, "%s still open: run the same command again later\n", number.Of(r.open, "row"))
	}
	missing := r.counts.Gone + r.counts.Failed
	if missing == 0 {
		return nil
	}
	fmt.Fprintln(errs, strings.Join(r.missing, "\n"))
	if missing > len(r.missing) {
		fmt.Fprintf(errs, "and %d more: see %s in the folder\n", missing-len(r.missing), artifact.ManifestTableName)
	}
	return &exitError{code: exitFlawed}
}
