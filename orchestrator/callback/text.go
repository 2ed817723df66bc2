package callback

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"shotline/jobs"
	"shotline/jobs/jobjson"
	"shotline/jobs/number"
)

// body returns the body of a callback. It is the same for the same message.
func body(format Format, m jobs.Message) ([]byte, error) {
	if format == FormatSlack {
		return json.Marshal(map[string]string{"text": text(m)})
	}
	return json.Marshal(jobjson.FromMessage(m))
}

// text returns a message as one line for people, in Slack's markup. It is the type
// of the event if the batch changed after it.
func text(m jobs.Message) string {
	words := m.Type.Info().Text
	switch data := m.Data.(type) {
	case jobs.Job:
		return jobText(words, data)
	case jobs.Batch:
		return batchText(words, data)
	case jobs.Delivery:
		return words + ": " + escape(data.ScreenshotID) + " " + escape(string(data.Outcome))
	default:
		return string(m.Type)
	}
}

func jobText(words string, j jobs.Job) string {
	line := strings.NewReplacer("{state}", stateWords(j.State)).Replace(words) + ": " + escape(j.URL)
	switch {
	case j.Error != "":
		line += " – " + escape(j.Error)
	case j.ImageURL != "":
		line += " → " + escape(j.ImageURL)
	}
	return line + " (job " + j.ID.String() + ")"
}

func batchText(words string, b jobs.Batch) string {
	line := "Batch " + b.ID
	if b.Source != "" {
		line += " (" + escape(b.Source) + ")"
	}
	return line + " " + strings.NewReplacer("{counts}", countsText(b.Counts), "{reason}", escape(b.PauseReason)).Replace(words)
}

func countsText(c jobs.Counts) string {
	line := fmt.Sprintf("%d of %s done", c.Of(jobs.Done), number.Of(c.Rows, "row"))
	for _, state := range []jobs.State{jobs.Failed, jobs.TimedOut, jobs.Canceled, jobs.Rejected} {
		if n := c.Of(state); n > 0 {
			line += fmt.Sprintf(", %d %s", n, stateWords(state))
		}
	}
	return line
}

func stateWords(s jobs.State) string { return strings.ReplaceAll(string(s), "_", " ") }

// escape returns a text from outside with its markup escaped. A text of more than
// 500 bytes is cut.
func escape(s string) string {
	const maxBytes = 500
	if len(s) > maxBytes {
		cut := maxBytes
		for !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut] + "…"
	}
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "\n", " ").Replace(s)
}
