package callback

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"shotline/jobs"
)

// body is what is sent of a message, always the same bytes.
func body(format Format, m jobs.Message) ([]byte, error) {
	if format == FormatSlack {
		return json.Marshal(map[string]string{"text": text(m)})
	}
	return json.Marshal(m)
}

// text is a message in a line for people, in Slack's markup.
func text(m jobs.Message) string {
	switch data := m.Data.(type) {
	case jobs.Job:
		return jobText(m.Type, data)
	case jobs.Batch:
		return batchText(m.Type, data)
	case jobs.Foreign:
		return "A screenshot that is not ours: " + shown(data.ScreenshotID) + " " + shown(string(data.Outcome))
	default:
		return string(m.Type)
	}
}

var jobWords = map[jobs.EventType]string{
	jobs.EventJobDone: "Screenshot done", jobs.EventJobFailed: "Screenshot failed", jobs.EventJobTimedOut: "Screenshot timed out",
	jobs.EventJobLate: "Screenshot came late", jobs.EventJobCorrected: "Screenshot corrected", jobs.EventJobCanceled: "Screenshot canceled", jobs.EventJobRetried: "Screenshot tried again",
}

func jobText(kind jobs.EventType, j jobs.Job) string {
	line := jobWords[kind] + ": " + shown(j.URL)
	if kind == jobs.EventJobCorrected {
		line = jobWords[kind] + " to " + strings.ReplaceAll(string(j.State), "_", " ") + ": " + shown(j.URL)
	}
	switch {
	case j.Error != "":
		line += " – " + shown(j.Error)
	case j.ImageURL != "":
		line += " → " + shown(j.ImageURL)
	}
	return line + " (job " + j.ID.String() + ")"
}

func batchText(kind jobs.EventType, b jobs.Batch) string {
	line := "Batch " + b.ID
	if b.Source != "" {
		line += " (" + shown(b.Source) + ")"
	}
	if kind == jobs.EventBatchPaused {
		return line + " is paused: " + shown(b.PauseReason)
	}
	if kind == jobs.EventBatchRevised {
		line += " got late or corrected results: "
	} else {
		line += " finished: "
	}
	line += fmt.Sprintf("%d of %d rows done", b.Counts.Of(jobs.Done), b.Counts.Rows)
	for _, state := range []jobs.State{jobs.Failed, jobs.TimedOut, jobs.Canceled, jobs.Rejected} {
		if n := b.Counts.Of(state); n > 0 {
			line += fmt.Sprintf(", %d %s", n, strings.ReplaceAll(string(state), "_", " "))
		}
	}
	return line
}

// shown is a text from outside, at most some hundred bytes of it, in which
// nothing is markup.
func shown(s string) string {
	const most = 500
	if len(s) > most {
		cut := most
		for !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut] + "…"
	}
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "\n", " ").Replace(s)
}
