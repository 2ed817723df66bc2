package timeline

import (
	"fmt"
	"strings"

	"shotline/jobs"
)

// submissions adds the creates of all attempts.
func (b *builder) submissions() {
	for _, s := range b.Submissions {
		if s.Extra > 0 {
			continue
		}
		add := func(e Entry) {
			e.Kind, e.Attempt, e.Tag = KindSubmission, s.Attempt, s.Tag()
			e.Text = fmt.Sprintf("attempt %d: %s", s.Attempt, e.Text)
			b.add(e)
		}
		if !s.LostAt.IsZero() {
			add(Entry{At: s.LostAt, Text: "create sent with tag " + s.Tag() + ", lost: neither an answer nor a screenshot with this tag"})
		}
		if s.ScreenshotID == "" && s.IntentAt.IsZero() {
			continue // its only create was lost or withdrawn
		}
		answered := b.answer(s)
		if !s.IntentAt.IsZero() {
			text := "create sent with tag " + s.Tag()
			if s.Sends > 1 {
				text += fmt.Sprintf(", as number %d because an earlier one was lost", s.Sends)
			}
			if answered.At.IsZero() && answered.Text != "" {
				text += "; " + answered.Text
			}
			add(Entry{At: s.IntentAt, Text: text, ScreenshotID: answered.ScreenshotID})
		}
		if !s.DoubtSince.IsZero() {
			add(Entry{At: s.DoubtSince, Text: "in doubt: no answer to the create, which may have taken effect"})
		}
		if answered.Text != "" && (!answered.At.IsZero() || s.IntentAt.IsZero()) {
			add(answered)
		}
	}
}

// answer returns the entry of the screenshot of a submission. It has no text if none
// is known, and no time if the time of the answer is not known.
func (b *builder) answer(s jobs.KeptSubmission) Entry {
	if s.ScreenshotID == "" {
		return Entry{}
	}
	e := Entry{ScreenshotID: s.ScreenshotID, Text: "create answered: screenshot " + s.ScreenshotID}
	submitted := b.Job.SubmittedAt
	switch {
	case s.Attempt != b.Job.Attempt || submitted.IsZero():
		e.Text = "screenshot " + s.ScreenshotID
	case s.By != jobs.ByCreate && (submitted.Equal(s.IntentAt) || submitted.Equal(s.LostAt)):
		e.Text = "no answer, but its tag led to screenshot " + s.ScreenshotID
	default:
		e.At = submitted
	}
	var extra []string
	for _, other := range b.Submissions {
		if other.Attempt == s.Attempt && other.Extra > 0 {
			extra = append(extra, other.ScreenshotID)
		}
	}
	if len(extra) > 0 {
		e.Text += fmt.Sprintf("; also charged for %s", strings.Join(extra, ", "))
	}
	return e
}

// deliveries adds the webhooks about the screenshots of the job.
func (b *builder) deliveries() {
	b.applied = map[string]bool{}
	for _, d := range b.Deliveries {
		verdict := b.verdict(d)
		text := "webhook " + d.Event
		if d.Event == "" {
			text = "webhook"
		}
		text += " about screenshot " + d.ScreenshotID + ": " + verdictTexts[verdict]
		reason := d.Error
		if verdict == VerdictAside {
			reason = d.AsideError
		}
		b.add(Entry{At: d.ReceivedAt, Kind: KindDelivery, Text: because(text, reason), ScreenshotID: d.ScreenshotID, Type: d.Event,
			Verdict: verdict, Place: d.Seq, Error: reason})
	}
}

var verdictTexts = map[Verdict]string{
	VerdictWaiting:       "kept, applied in a moment",
	VerdictApplied:       "applied",
	VerdictRepeat:        "repeats the known result",
	VerdictContradiction: "contradicts the known result",
	VerdictHeld:          "held, because it may belong to a create without an answer",
	VerdictForeign:       "foreign, because no submission had this screenshot",
	VerdictNoted:         "noted, because it reports no result",
	VerdictAside:         "set aside, because applying it failed",
}

// verdict returns what became of a delivery. The store does not record which delivery
// brought a result: it is the first one with this outcome.
func (b *builder) verdict(d jobs.KeptDelivery) Verdict {
	switch d.Disposition {
	case jobs.DispositionHeld:
		return VerdictHeld
	case jobs.DispositionForeign:
		return VerdictForeign
	case jobs.DispositionNoted:
		return VerdictNoted
	case jobs.DispositionAside:
		return VerdictAside
	}
	if d.Seq > b.Cursor {
		return VerdictWaiting
	}
	for _, s := range b.Submissions {
		if s.ScreenshotID != d.ScreenshotID {
			continue
		}
		known, byWebhook := s.Outcome, s.By == jobs.ByWebhook
		for _, c := range b.Conflicts {
			if c.Attempt == s.Attempt && s.Extra == 0 {
				known, byWebhook = c.First, byWebhook || c.First != s.Outcome // a verdict replaced it
			}
		}
		if d.Outcome != known {
			return VerdictContradiction
		}
		if !byWebhook || b.applied[d.ScreenshotID] {
			return VerdictRepeat
		}
		b.applied[d.ScreenshotID] = true
		return VerdictApplied
	}
	return VerdictRepeat
}

// conflicts adds when contradictions were found, and the vendor's answer.
func (b *builder) conflicts() {
	for _, c := range b.Conflicts {
		text := fmt.Sprintf("screenshot %s was reported both as done and as failed; %s came first", c.ScreenshotID, c.First)
		if c.Says != jobs.OutcomeNone {
			text += "; the vendor says " + string(c.Says)
		}
		b.add(Entry{At: c.Since, Kind: KindConflict, Text: text, Attempt: c.Attempt, ScreenshotID: c.ScreenshotID})
		if !c.CheckAt.IsZero() {
			b.expect(c.CheckAt, "the vendor is queried which result is true")
		}
	}
}

// events adds the closures, corrections, retries and amendments.
func (b *builder) events() {
	last := len(b.Events) - 1
	for i, e := range b.Events {
		info := e.Type.Info()
		state := e.State
		if state == "" {
			state = info.State
		}
		entry := Entry{At: e.At, Kind: KindEvent, State: state, Attempt: e.Attempt, Type: string(e.Type), Place: e.Seq}
		if i == last && !b.Job.State.Open() {
			entry.By, entry.Error = b.Job.ClosedBy, b.Job.Error
		} else {
			entry.By = b.provenance(e.Attempt, state)
		}
		entry.Text = eventText(e, state, entry.By)
		entry.Text = because(entry.Text, entry.Error)
		b.add(entry)
	}
}

// provenance returns how an end of an attempt that is not the newest one came about,
// as far as it is known.
func (b *builder) provenance(attempt int, state jobs.State) jobs.Provenance {
	switch state {
	case jobs.TimedOut:
		return jobs.ByDeadline
	case jobs.Canceled:
		return jobs.ByCancel
	case jobs.Done, jobs.Failed:
		for _, s := range b.Submissions {
			switch {
			case s.Attempt != attempt || s.Extra > 0:
			case string(s.Outcome) == string(state):
				return s.By
			case b.applied[s.ScreenshotID]: // a verdict has replaced this result
				return jobs.ByWebhook
			}
		}
	}
	return ""
}

var provenanceTexts = map[jobs.Provenance]string{
	jobs.ByWebhook:  "by webhook",
	jobs.ByPoll:     "by the vendor's answer to a query",
	jobs.ByCreate:   "by the answer to the create",
	jobs.ByDeadline: "by its deadline",
	jobs.BySubmit:   "because the vendor refused the create",
	jobs.ByCancel:   "on request",
}

func eventText(e jobs.Event, state jobs.State, by jobs.Provenance) string {
	name := stateText(state)
	switch e.Type {
	case jobs.EventJobRetried:
		if state == jobs.Pending {
			return "retried: waits for the screenshot that it had"
		}
		return fmt.Sprintf("retried: queued for attempt %d", e.Attempt)
	case jobs.EventJobAmended:
		return "got another request: " + name
	case jobs.EventJobLate:
		name = "late result: " + name
	case jobs.EventJobCorrected:
		name = "corrected: " + name
	}
	if text := provenanceTexts[by]; text != "" {
		return name + " " + text
	}
	return name
}

// stateText returns a state as words.
func stateText(state jobs.State) string { return strings.ReplaceAll(string(state), "_", " ") }

// cancel adds that somebody asked to cancel the job while its create was under way.
func (b *builder) cancel() {
	if at := b.Job.CancelAskedAt; !at.IsZero() {
		b.add(Entry{At: at, Kind: KindEvent, Text: "cancellation requested while a create was under way"})
	}
}

// callbacks adds what is known of the attempts: the first one, and the newest
// response.
func (b *builder) callbacks() {
	for _, c := range b.Callbacks {
		target := c.Lane // it has no secret path
		e := Entry{Kind: KindCallback, Type: string(c.Type), Place: c.Seq, Callback: c.State, Attempts: c.Attempts, Status: c.Status, Error: c.Error}
		text := fmt.Sprintf("callback %d, %s to %s", c.Seq, c.Type, target)
		add := func(state string) {
			e.Text = because(text, state)
			b.add(e)
		}
		response := ""
		if c.State == jobs.CallbackDelivered {
			response = fmt.Sprintf(", answered %d", c.Status)
		}
		tried := "tried " + times(c.Attempts) + response
		switch e.At = c.SettledAt; c.State {
		case jobs.CallbackDelivered:
			add("delivered, " + tried)
		case jobs.CallbackDead:
			add(because("given up, "+tried, c.Error))
		default:
			if e.At = c.FirstAt; c.Attempts == 0 {
				e.At, tried = c.CreatedAt, "not tried yet"
			}
			add(because("owed, "+tried, c.Error))
			b.expect(c.DueAt, "callback %d is tried again", c.Seq)
			if c.Attempts == 0 {
				b.next[len(b.next)-1].Text = fmt.Sprintf("callback %d is sent", c.Seq)
			}
		}
	}
}

// files adds what became of the files.
func (b *builder) files() {
	for _, f := range b.Files {
		what := string(f.Output)
		if f.Shot > 1 {
			what += fmt.Sprintf(" of shot %d", f.Shot)
		}
		e := Entry{Kind: KindFile, Attempt: f.Attempt, ScreenshotID: f.Screenshot, Attempts: f.Tries, File: f.Name, Error: f.Error}
		switch f.State {
		case jobs.FileSaved:
			e.At, e.Text = f.SavedAt, fmt.Sprintf("%s saved as %s in %s, %s", what, f.Name, f.Folder, sizeText(f.Size))
		case jobs.FileGone:
			e.Text = because(what+" could not be saved: the vendor no longer has it", f.Error)
		case jobs.FileFailed:
			e.Text = because(fmt.Sprintf("%s could not be saved, tried %s", what, times(f.Tries)), f.Error)
		default:
			if b.Job.State != jobs.Done || f.Screenshot != b.Job.ScreenshotID {
				continue // of a screenshot that the job no longer has
			}
			text := what + " is saved in " + f.Folder
			if f.Tries > 0 {
				text += ", tried " + times(f.Tries) + " so far"
			}
			b.expect(f.WakeAt, "%s", because(text, f.Error))
			continue
		}
		b.add(e)
	}
}

func sizeText(bytes int64) string {
	if bytes < 1e6 {
		return fmt.Sprintf("%.1f kB", float64(bytes)/1e3)
	}
	return fmt.Sprintf("%.1f MB", float64(bytes)/1e6)
}
