package callback

import (
	"strings"
	"testing"

	"shotline/jobs"
)

// TestEveryEventHasRecipientsAndAText checks every type of event: the sinks that
// its rule names receive it, and it has a text for people.
func TestEveryEventHasRecipientsAndAText(t *testing.T) {
	parse := func(events string) Sink {
		s, err := ParseSink("a:" + events + "=https://hooks.example/")
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	all, failures := parse(wordAll), parse(wordFailures)
	ended := func(done, failed int64) jobs.Batch {
		return jobs.Batch{BatchSpec: jobs.BatchSpec{ID: "b1"}, PauseReason: "the key was refused",
			Counts: jobs.Counts{Rows: 3, ByState: map[jobs.State]int64{jobs.Done: done, jobs.Failed: failed}}}
	}
	for _, info := range jobs.EventTable {
		var data, flawed any // flawed is the message if rows of the batch are flawed
		switch info.Subject {
		case jobs.SubjectJob:
			data = jobs.Job{ID: jobs.ID{Batch: "b1", Row: 2}, URL: "https://example.com/", State: jobs.TimedOut}
			flawed = data
		case jobs.SubjectBatch:
			data, flawed = ended(3, 0), ended(2, 1)
		case jobs.SubjectForeign:
			data = jobs.Delivery{ScreenshotID: "77", Outcome: jobs.OutcomeDone}
			flawed = data
		default:
			t.Fatalf("%s: no message for subject %s", info.Type, info.Subject)
		}
		m, mFlawed := jobs.Message{Type: info.Type, Data: data}, jobs.Message{Type: info.Type, Data: flawed}
		for name, c := range map[string]struct {
			sink Sink
			m    jobs.Message
			from jobs.SinkRule // the rule that adds the sink
		}{
			"its type": {parse(string(info.Type)), m, jobs.SinksNamed}, "all": {all, m, jobs.SinksAll},
			"failures, of flawed rows": {failures, mFlawed, jobs.SinksFailuresIfFlawed}, "failures": {failures, m, jobs.SinksFailures},
		} {
			from := c.from
			if from == jobs.SinksFailuresIfFlawed && info.Subject != jobs.SubjectBatch {
				from = jobs.SinksFailures
			}
			want := info.Sinks >= from
			if got := c.sink.wants(c.m); got != want || got && !c.sink.mayWant(info.Type) {
				t.Errorf("%s: sink of %s: wants %t, mayWant %t; want %t", info.Type, name, got, c.sink.mayWant(info.Type), want)
			}
		}
		if line := text(m); strings.ContainsAny(line, "{}") || line == string(info.Type) || strings.HasPrefix(line, ":") {
			t.Errorf("%s: text %q", info.Type, line)
		}
	}
}
