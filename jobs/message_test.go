package jobs_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"shotline/jobs"
	"shotline/jobs/jobjson"
)

// fakeSource is a store of one job, one batch and one delivery.
type fakeSource struct {
	job      jobs.Job
	batch    jobs.Batch
	delivery jobs.KeptDelivery
	err      error
}

func (s fakeSource) Job(context.Context, jobs.ID) (jobs.Job, error)    { return s.job, s.err }
func (s fakeSource) Batch(context.Context, string) (jobs.Batch, error) { return s.batch, s.err }
func (s fakeSource) Delivery(context.Context, int64) (jobs.KeptDelivery, error) {
	return s.delivery, s.err
}

var eventTime = time.Date(2031, 5, 6, 14, 8, 9, 0, time.FixedZone("CEST", 7200))

// message returns the message of an event as recipients parse it.
func message(t *testing.T, store fakeSource, e jobs.Event) (m struct {
	Type, Timestamp string
	Data            map[string]any
}) {
	t.Helper()
	e.At = eventTime
	made, err := jobs.NewMessage(t.Context(), store, e)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(jobjson.FromMessage(made))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	if m.Type != string(e.Type) || m.Timestamp != "2031-05-06T12:08:09Z" {
		t.Errorf("%s at %s, want %s at the event's time in UTC", m.Type, m.Timestamp, e.Type)
	}
	return m
}

// TestJobMessages checks the message of each type of event for each later state of
// the job: it has the whole job while the job is as the event reports it, and always
// the state of the event.
func TestJobMessages(t *testing.T) {
	t.Parallel()
	cost := 2.5
	id := jobs.ID{Batch: "b1", Row: 3}
	for event, state := range map[jobs.EventType]jobs.State{
		jobs.EventJobDone: jobs.Done, jobs.EventJobFailed: jobs.Failed, jobs.EventJobTimedOut: jobs.TimedOut, jobs.EventJobCanceled: jobs.Canceled, jobs.EventJobRetried: jobs.Queued, jobs.EventJobAmended: jobs.Queued, jobs.EventJobLate: jobs.Done,
	} {
		for _, now := range jobs.States {
			for _, attempt := range []int{1, 2} {
				for _, late := range []bool{false, true} {
					store := fakeSource{job: jobs.Job{
						ID: id, URL: "https://example.com/", Metadata: jobs.Metadata{"sku": "7"}, Params: jobs.Params{"size": "page"}, Tags: []string{"t"},
						State: now, Attempt: attempt, Late: late, ScreenshotID: "s1", ImageURL: "https://vendor.example/1.png", Cost: &cost,
						CreatedAt: eventTime.Add(-time.Hour), ClosedAt: eventTime.Add(time.Hour),
					}}
					data := message(t, store, jobs.Event{Type: event, Batch: "b1", Job: id, Attempt: 1}).Data
					if data["id"] != "b1-3" || data["batch_id"] != "b1" || data["url"] != "https://example.com/" || data["metadata"] == nil || data["created_at"] == nil {
						t.Errorf("%s of a job that is %s: fields are missing: %v", event, now, data)
					}
					whole := now == state && attempt == 1
					want := state
					if event == jobs.EventJobLate {
						if whole = late; late {
							want = now
						}
					}
					if data["state"] != string(want) {
						t.Errorf("%s of a job that is %s in attempt %d: reported as %v, want %s", event, now, attempt, data["state"], want)
					}
					if (data["screenshot_id"] != nil) != whole || (data["cost"] != nil) != whole {
						t.Errorf("%s of a job that is %s in attempt %d, late %t: whole: %t, want %t", event, now, attempt, late, !whole, whole)
					}
					if !whole && data["attempt"] != 1.0 {
						t.Errorf("%s of a job in attempt %d reports attempt %v, want that of the event", event, attempt, data["attempt"])
					}
					if closed, has := data["closed_at"].(string); !whole && has != !want.Open() || !whole && has && closed != eventTime.Format(time.RFC3339) {
						t.Errorf("%s of a job that is %s: closed at %v", event, now, data["closed_at"])
					}
				}
			}
		}
	}
}

// TestCorrectionMessages checks that a correction or a late result is reported with
// the state of its event, and an older event of a corrected job without the job's
// present fields.
func TestCorrectionMessages(t *testing.T) {
	t.Parallel()
	id := jobs.ID{Batch: "b1", Row: 3}
	for name, test := range map[string]struct {
		event     jobs.EventType
		of        jobs.State // the event's
		job       jobs.Job
		whole     bool
		corrected bool
	}{
		"corrected to done":                 {jobs.EventJobCorrected, jobs.Done, jobs.Job{State: jobs.Done, Corrected: true}, true, true},
		"corrected to failed":               {jobs.EventJobCorrected, jobs.Failed, jobs.Job{State: jobs.Failed, Corrected: true}, true, true},
		"corrected with an older image":     {jobs.EventJobCorrected, jobs.Done, jobs.Job{State: jobs.Done, Corrected: true, Late: true, Attempt: 2}, true, true},
		"corrected to failed, then retried": {jobs.EventJobCorrected, jobs.Failed, jobs.Job{State: jobs.Queued, Attempt: 2}, false, true},
		"corrected twice":                   {jobs.EventJobCorrected, jobs.Done, jobs.Job{State: jobs.TimedOut, Corrected: true, Attempt: 2}, false, true},
		"late failed":                       {jobs.EventJobLate, jobs.Failed, jobs.Job{State: jobs.Failed, Late: true}, true, false},
		"late failed, then corrected":       {jobs.EventJobLate, jobs.Failed, jobs.Job{State: jobs.Done, Late: true, Corrected: true}, false, false},
		"failed, then corrected":            {jobs.EventJobFailed, "", jobs.Job{State: jobs.Done, Corrected: true}, false, false},
		"done, then corrected":              {jobs.EventJobDone, "", jobs.Job{State: jobs.Failed, Corrected: true}, false, false},
		"done, then with an older image":    {jobs.EventJobDone, "", jobs.Job{State: jobs.Done, Corrected: true, Late: true}, false, false},
		"late, from an earlier version":     {jobs.EventJobLate, "", jobs.Job{State: jobs.Failed, Late: true}, true, false},
	} {
		j := test.job
		j.ID, j.ScreenshotID = id, "s1"
		if j.Attempt == 0 {
			j.Attempt = 1
		}
		data := message(t, fakeSource{job: j}, jobs.Event{Type: test.event, State: test.of, Batch: "b1", Job: id, Attempt: 1}).Data
		want := test.of
		if want == "" {
			want = map[jobs.EventType]jobs.State{jobs.EventJobFailed: jobs.Failed, jobs.EventJobDone: jobs.Done, jobs.EventJobLate: j.State}[test.event]
		}
		if whole := data["screenshot_id"] != nil; whole != test.whole || data["state"] != string(want) || (data["corrected"] == true) != test.corrected {
			t.Errorf("%s: got %v; want whole: %t, state %s, corrected: %t", name, data, test.whole, want, test.corrected)
		}
	}
}

// TestMessagesOfAJobThatWaitsAgain checks that the retry of a job that waits again for
// its screenshot is reported as pending, and any other retry as queued.
func TestMessagesOfAJobThatWaitsAgain(t *testing.T) {
	t.Parallel()
	id := jobs.ID{Batch: "b1", Row: 3}
	for _, now := range []jobs.State{jobs.Pending, jobs.Done} {
		for of, want := range map[jobs.State]jobs.State{jobs.Pending: jobs.Pending, "": jobs.Queued} {
			store := fakeSource{job: jobs.Job{ID: id, State: now, Attempt: 1, ScreenshotID: "s1"}}
			data := message(t, store, jobs.Event{Type: jobs.EventJobRetried, State: of, Batch: "b1", Job: id, Attempt: 1}).Data
			if data["state"] != string(want) || (data["screenshot_id"] == "s1") != (want == now) {
				t.Errorf("of %q, now %s: got %v", of, now, data)
			}
		}
	}
}

func TestBatchMessages(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		state    jobs.BatchState
		revision int
		whole    bool
	}{
		"as it was":  {jobs.BatchFinished, 2, true},
		"opened":     {jobs.BatchOpen, 2, false},
		"revised":    {jobs.BatchFinished, 3, false},
		"not so far": {jobs.BatchFinished, 1, false},
	} {
		for _, event := range []jobs.EventType{jobs.EventBatchFinished, jobs.EventBatchRevised} {
			store := fakeSource{batch: jobs.Batch{BatchSpec: jobs.BatchSpec{ID: "b1"}, State: tt.state, Revision: tt.revision, Counts: jobs.Counts{Rows: 7}}}
			data := message(t, store, jobs.Event{Type: event, Batch: "b1", Revision: 2}).Data
			if data["batch_id"] != "b1" || data["state"] != "finished" || data["revision"] != 2.0 {
				t.Errorf("%s, %s: got %v", name, event, data)
			}
			if (data["rows"] == 7.0) != tt.whole {
				t.Errorf("%s, %s: whole: %t, want %t", name, event, !tt.whole, tt.whole)
			}
		}
	}
}

func TestPauseMessages(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		state  jobs.BatchState
		reason string
	}{
		"as it was": {jobs.BatchPaused, "the key was refused"}, "resumed": {jobs.BatchOpen, ""}, "paused by hand since": {jobs.BatchPaused, ""}, "finished": {jobs.BatchFinished, ""},
	} {
		store := fakeSource{batch: jobs.Batch{BatchSpec: jobs.BatchSpec{ID: "b1"}, State: tt.state, PauseReason: tt.reason, Revision: 2, Counts: jobs.Counts{Rows: 7}}}
		data := message(t, store, jobs.Event{Type: jobs.EventBatchPaused, Batch: "b1", Revision: 2}).Data
		if data["batch_id"] != "b1" || data["state"] != "paused" || data["revision"] != 2.0 {
			t.Errorf("%s: got %v", name, data)
		}
		if reason, _ := data["pause_reason"].(string); reason != tt.reason || (data["rows"] == 7.0) != (tt.reason != "") {
			t.Errorf("%s: got %v, want the batch with its reason only while it is paused by it", name, data)
		}
	}
}

func TestForeignMessages(t *testing.T) {
	t.Parallel()
	foreign := func(body string) fakeSource {
		return fakeSource{delivery: jobs.KeptDelivery{Delivery: jobs.Delivery{
			Seq: 9, ReceivedAt: eventTime, Event: "screenshot.completed", ScreenshotID: "77", Outcome: jobs.OutcomeDone, ImageURL: "https://vendor.example/77.png",
			Body: []byte(body),
		}}}
	}
	event := jobs.Event{Type: jobs.EventForeign, Delivery: 9}
	data := message(t, foreign(`{"event":"x","n":1}`), event).Data
	payload, _ := data["payload"].(map[string]any)
	if data["screenshot_id"] != "77" || data["event"] != "screenshot.completed" || data["outcome"] != "done" || payload["n"] != 1.0 ||
		data["received_at"] != "2031-05-06T12:08:09Z" {
		t.Errorf("got %v", data)
	}
	if data := message(t, foreign("no JSON"), event).Data; data["payload"] != nil || data["screenshot_id"] != "77" {
		t.Errorf("payload that is not JSON: got %v", data)
	}
	if data := message(t, fakeSource{err: jobs.ErrNotFound}, event).Data; len(data) != 0 {
		t.Errorf("pruned delivery: got %v", data)
	}
}

func TestMessagesNeedTheStore(t *testing.T) {
	t.Parallel()
	for _, e := range []jobs.Event{
		{Seq: 41, Type: jobs.EventForeign, Delivery: 9}, {Seq: 41, Type: jobs.EventJobDone, Batch: "b1", Job: jobs.ID{Batch: "b1", Row: 1}},
		{Seq: 41, Type: jobs.EventBatchFinished, Batch: "b1"},
	} {
		_, err := jobs.NewMessage(t.Context(), fakeSource{err: jobs.ErrUnavailable}, e)
		if !errors.Is(err, jobs.ErrUnavailable) || !strings.Contains(err.Error(), "event 41") {
			t.Errorf("%s: error %v, want the store's with the event's place", e.Type, err)
		}
	}
}

func TestEventID(t *testing.T) {
	t.Parallel()
	e := jobs.Event{Seq: 12, At: time.UnixMilli(1_700_000_000_123)}
	if got := e.ID(); got != "evt_1700000000123_12" {
		t.Errorf("got %s", got)
	}
}

// TestAmendedMessages checks that an amendment is reported with the state that it
// brought.
func TestAmendedMessages(t *testing.T) {
	t.Parallel()
	id := jobs.ID{Batch: "b1", Row: 3}
	for _, of := range []jobs.State{jobs.Queued, jobs.Duplicate, jobs.Rejected} {
		for _, now := range []jobs.State{of, jobs.Done} {
			store := fakeSource{job: jobs.Job{ID: id, State: now, Attempt: 2, Line: 7, ScreenshotID: "s1"}}
			data := message(t, store, jobs.Event{Type: jobs.EventJobAmended, State: of, Batch: "b1", Job: id, Attempt: 2}).Data
			if data["state"] != string(of) || (data["screenshot_id"] == "s1") != (of == now) {
				t.Errorf("of %s, now %s: got %v", of, now, data)
			}
		}
	}
}
