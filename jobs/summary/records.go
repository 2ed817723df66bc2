package summary

import (
	"encoding/csv"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"time"

	"shotline/jobs"
)

// signedNumber matches numbers that begin with a sign.
var signedNumber = regexp.MustCompile(`^[+-]([0-9]+([.,][0-9]*)?|[.,][0-9]+)$`)

// WriteJSON writes the summary as one JSON object on one line.
func WriteJSON(w io.Writer, s Summary) error {
	data, err := s.Encode()
	if err != nil {
		return err
	}
	if _, err := w.Write(append(data, '\n')); err != nil {
		return fmt.Errorf("write summary of %s: %w", s.BatchID, err)
	}
	return nil
}

// WriteCSV writes the summary as metric,value rows. The metrics have the names of
// the JSON fields, flattened: closed_by_webhook, timings_p50, reason_1_count. The
// value is empty if it is unknown.
func WriteCSV(w io.Writer, s Summary) error {
	out := csv.NewWriter(w)
	put := func(metric, value string) { _ = out.Write([]string{metric, value}) } // out.Error returns the error
	put("metric", "value")
	put("batch_id", s.BatchID)
	put("state", string(s.State))
	put("pause_reason", escapeFormula(s.PauseReason))
	put("source", escapeFormula(s.Source))
	put("rows", integer(s.Rows))
	for _, state := range jobs.States {
		put(string(state), integer(s.Of(state)))
	}
	for _, p := range jobs.Provenances {
		put("closed_by_"+string(p), integer(s.ClosedBy[p]))
	}
	put("late", integer(s.Late))
	put("corrected", integer(s.Corrected))
	put("double_charged", integer(s.DoubleCharged))
	put("cost", costCell(s.Cost))
	put("api_calls", integer(s.APICalls))
	put("revision", strconv.Itoa(s.Revision))
	put("created_at", timeCell(s.CreatedAt))
	put("finished_at", timeCell(s.FinishedAt))
	put("duration_seconds", decimal(s.DurationSeconds))
	put("per_minute", decimal(s.PerMinute))
	if t := s.Timings; t != nil {
		put("timings_p50", decimal(t.P50))
		put("timings_p95", decimal(t.P95))
		put("timings_mean", decimal(t.Mean))
		put("timings_min", decimal(t.Min))
		put("timings_max", decimal(t.Max))
	}
	for i, r := range s.Reasons {
		name := "reason_" + strconv.Itoa(i+1) + "_"
		put(name+"state", string(r.State))
		put(name+"count", integer(r.Count))
		put(name+"error", escapeFormula(r.Error))
		put(name+"first_job", r.FirstJob.String())
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return fmt.Errorf("write summary of %s: %w", s.BatchID, err)
	}
	return nil
}

func integer(n int64) string { return strconv.FormatInt(n, 10) }

// decimal formats seconds with up to three decimals.
func decimal(f float64) string {
	text, _ := strconv.ParseFloat(strconv.FormatFloat(f, 'f', 3, 64), 64)
	return strconv.FormatFloat(text, 'f', -1, 64)
}

func costCell(cost *float64) string {
	if cost == nil {
		return ""
	}
	return credits(*cost)
}

func timeCell(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// escapeFormula adds an apostrophe before text from outside that a spreadsheet
// would interpret as a formula. Numbers with a sign, such as -5 and +3.2, are not
// formulas.
func escapeFormula(text string) string {
	if text == "" {
		return ""
	}
	switch text[0] {
	case '+', '-':
		if signedNumber.MatchString(text) {
			return text
		}
		return "'" + text
	case '=', '@', '\t', '\r':
		return "'" + text
	}
	return text
}
