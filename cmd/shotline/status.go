package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"shotline/jobs"
	"shotline/jobs/finding"
	"shotline/jobs/jobjson"
	"shotline/jobs/number"
	"shotline/jobs/summary"
)

func statusCommand() *cli.Command {
	return &cli.Command{
		Name:      "status",
		Usage:     "show the state of a batch or a job",
		ArgsUsage: "BATCH|JOB",
		Flags:     storeFlags(jsonFlag),
		Action: func(c *cli.Context) error {
			arg, err := oneArgument(c, "a batch or job id")
			if err != nil {
				return err
			}
			return withStore(c, func(store jobs.Store) error { return status(c, store, arg) })
		},
	}
}

func status(c *cli.Context, store jobs.Store, arg string) error {
	if id, err := jobs.ParseID(arg); err == nil {
		j, err := store.Job(c.Context, id)
		if err != nil {
			return err
		}
		return printJob(c.App.Writer, j, c.Bool(jsonFlag.Name))
	}
	b, err := store.Batch(c.Context, arg)
	if err != nil {
		return err
	}
	files, err := filesOfBatch(c.Context, store, b.ID)
	if err != nil {
		return err
	}
	held, err := finding.OfBatch(c.Context, store, b, clock.Now())
	if err != nil {
		return err
	}
	return printBatch(c.App.Writer, b, batchDetails{files, held}, c.Bool(jsonFlag.Name))
}

// batchDetails are what status shows of a batch besides its counts.
type batchDetails struct {
	Files    *batchFiles       `json:"files,omitempty"`
	Findings []finding.Finding `json:"findings,omitempty"`
}

// batchFiles are the files of a batch.
type batchFiles struct {
	Folder string `json:"folder,omitempty"` // of the order; empty if there is none
	Wanted int64  `json:"wanted"`
	Saved  int64  `json:"saved"`
	Gone   int64  `json:"gone"`
	Failed int64  `json:"failed"`
	Bytes  int64  `json:"bytes"`
}

// filesOfBatch returns nil if the batch has no files, and none are ordered.
func filesOfBatch(ctx context.Context, store jobs.Store, batch string) (*batchFiles, error) {
	orders, err := store.DownloadOrders(ctx, batch, "")
	if err != nil {
		return nil, err
	}
	counts, err := store.CountFiles(ctx, batch)
	if err != nil || len(orders) == 0 && counts == (jobs.FileCounts{}) {
		return nil, err
	}
	files := &batchFiles{Wanted: counts.Wanted, Saved: counts.Saved, Gone: counts.Gone, Failed: counts.Failed, Bytes: counts.Bytes}
	for _, o := range orders {
		if o.Batch == batch || files.Folder == "" {
			files.Folder = o.Folder
		}
	}
	return files, nil
}

// String describes the files in one line.
func (f batchFiles) String() string {
	text := fmt.Sprintf("%d saved (%.1f MB)", f.Saved, float64(f.Bytes)/1e6)
	for _, more := range []struct {
		n    int64
		text string
	}{{f.Wanted, "wanted"}, {f.Gone, "gone"}, {f.Failed, "failed"}} {
		if more.n > 0 {
			text += fmt.Sprintf(", %d %s", more.n, more.text)
		}
	}
	if f.Folder != "" {
		text += " in " + printable(f.Folder)
	}
	return text
}

func printBatch(w io.Writer, b jobs.Batch, details batchDetails, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(struct {
			jobjson.Batch
			batchDetails
		}{jobjson.FromBatch(b), details})
	}
	var s strings.Builder
	fmt.Fprintf(&s, "batch %s  %s", b.ID, b.State)
	if b.PauseReason != "" {
		fmt.Fprintf(&s, " (%s)", printable(b.PauseReason))
	}
	fmt.Fprintf(&s, "\n  %-12s %s\n  %-12s %s\n", "source", printable(b.Source), "created", b.CreatedAt.Format(time.RFC3339))
	if b.RerunOf != "" {
		fmt.Fprintf(&s, "  %-12s %s\n", "rerun of", b.RerunOf)
	}
	if !b.FinishedAt.IsZero() {
		fmt.Fprintf(&s, "  %-12s %s (after %s)\n", "finished", b.FinishedAt.Format(time.RFC3339), b.FinishedAt.Sub(b.CreatedAt).Round(time.Millisecond))
	}
	fmt.Fprintf(&s, "  %-12s %d\n", "rows", b.Counts.Rows)
	for _, state := range jobs.States {
		if n := b.Counts.Of(state); n > 0 {
			fmt.Fprintf(&s, "    %-10s %d\n", state, n)
		}
	}
	var by []string
	for _, p := range jobs.Provenances {
		if n := b.Counts.ByProvenance[p]; n > 0 {
			by = append(by, fmt.Sprintf("%s %d", p, n))
		}
	}
	if len(by) > 0 {
		fmt.Fprintf(&s, "  %-12s %s\n", "closed by", strings.Join(by, ", "))
	}
	if b.Counts.Late > 0 {
		fmt.Fprintf(&s, "  %-12s %d\n", "late", b.Counts.Late)
	}
	if b.Counts.Corrected > 0 {
		fmt.Fprintf(&s, "  %-12s %d\n", "corrected", b.Counts.Corrected)
	}
	if b.Counts.DoubleCharged > 0 {
		fmt.Fprintf(&s, "  %-12s %d\n", "paid twice", b.Counts.DoubleCharged)
	}
	if b.Counts.Cost != nil {
		fmt.Fprintf(&s, "  %-12s %s\n", "cost", summary.Credits(*b.Counts.Cost))
	}
	if b.Budget != nil {
		fmt.Fprintf(&s, "  %-12s %s", "budget", summary.Credits(*b.Budget))
		if b.Reserved > 0 {
			fmt.Fprintf(&s, ", %s reserved", summary.Credits(b.Reserved))
		}
		s.WriteByte('\n')
	}
	fmt.Fprintf(&s, "  %-12s %d\n", "vendor calls", b.Counts.APICalls)
	if details.Files != nil {
		fmt.Fprintf(&s, "  %-12s %s\n", "files", details.Files)
	}
	for _, f := range details.Findings {
		writeFinding(&s, f)
	}
	_, err := io.WriteString(w, s.String())
	return err
}

func printJob(w io.Writer, j jobs.Job, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(jobjson.FromJob(j))
	}
	var s strings.Builder
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&s, "  %-12s %s\n", name, printable(value))
		}
	}
	at := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.Format(time.RFC3339)
	}
	fmt.Fprintf(&s, "job %s  %s\n", j.ID, j.State)
	line("row", strconv.FormatInt(j.ID.Row, 10))
	line("line", lineNumber(j.Line))
	line("url", j.URL)
	if j.Attempt > 1 {
		line("attempt", strconv.Itoa(j.Attempt))
	}
	if j.State.Open() && !j.CancelAskedAt.IsZero() {
		line("canceling", "since "+at(j.CancelAskedAt)+", until the result of its create is known")
	}
	line("error", j.Error)
	line("screenshot", j.ScreenshotID)
	line("image", j.ImageURL)
	line("closed by", string(j.ClosedBy))
	line("created", at(j.CreatedAt))
	line("submitted", at(j.SubmittedAt))
	line("closed", at(j.ClosedAt))
	if j.Late {
		line("late", "the result came after the job had ended")
	}
	if j.Conflicts > 0 {
		line("conflicts", number.Of(j.Conflicts, "contradictory result"))
	}
	line("first result", string(j.FirstResult))
	if j.FirstResult != "" {
		line("vendor says", vendorResult(j))
	}
	if j.DuplicateOf > 0 {
		line("duplicate of", jobs.ID{Batch: j.ID.Batch, Row: j.DuplicateOf}.String())
	}
	if j.Cost != nil {
		line("cost", summary.Credits(*j.Cost))
	}
	_, err := io.WriteString(w, s.String())
	return err
}

// vendorResult describes the vendor's response about a screenshot with
// contradictory results, and its effect on the job.
func vendorResult(j jobs.Job) string {
	const stands = "; the first result stands"
	switch j.VendorSays {
	case jobs.OutcomeNone:
		return "no response yet" + stands + " until it is queried"
	case jobs.OutcomeProcessing:
		return "still processing" + stands
	case jobs.OutcomeUnknown:
		return "the screenshot is unknown" + stands
	case j.FirstResult:
		return string(j.VendorSays) + stands
	}
	if j.Corrected {
		return string(j.VendorSays) + "; the job was corrected"
	}
	return string(j.VendorSays)
}

// lineNumber formats the number of a line of the input. It returns the empty
// string if there is none.
func lineNumber(line int) string {
	if line == 0 {
		return ""
	}
	return strconv.Itoa(line)
}

// writeFinding writes what holds a batch, and what to do, in lines of at most 80
// characters.
func writeFinding(s *strings.Builder, f finding.Finding) {
	text := printable(f.Text)
	if f.Kind == finding.Paused {
		text = "the pause" // the first line shows the reason
	}
	if f.Mend != "" {
		text += " – " + f.Mend
	}
	label := "held by"
	for _, line := range wrap(text, helpWidth-15) {
		fmt.Fprintf(s, "  %-12s %s\n", label, line)
		label = ""
	}
}
