package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

// fakeSource is a store of one job, one batch and one delivery.
type fakeSource struct {
	job      Job
	batch    Batch
	delivery KeptDelivery
	err      error
}

func (s fakeSource) Job(context.Context, ID) (Job, error)         { return s.job, s.err }
func (s fakeSource) Batch(context.Context, string) (Batch, error) { return s.batch, s.err }
func (s fakeSource) Delivery(context.Context, int64) (KeptDelivery, error) {
	return s.delivery, s.err
}

var eventTime = time.Date(2031, 5, 6, 14, 8, 9, 0, time.FixedZone("CEST", 7200))

// tell makes the message of an event and returns it as others get it.
func tell(t *testing.T, store fakeSource, e Event) (message struct {
	Type, Timestamp string
	Data            map[string]any
}) {
	t.Helper()
	e.At = eventTime
	m, err := NewMessage(t.Context(), store, e)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &message); err != nil {
		t.Fatal(err)
	}
	if message.Type != string(e.Type) || message.Timestamp != "2031-05-06T12:08:09Z" {
		t.Errorf("%s at %s, want %s at the event's time in UTC", message.Type, message.Timestamp, e.Type)
	}
	return message
}

// TestAJobIsToldAsItsEventSays goes through every type of event and every state
// of the job by then: the job is told whole while it is as the event says, and
// never in a state that it had not at the time.
func TestAJobIsToldAsItsEventSays(t *testing.T) {
	t.Parallel()
	cost := 2.5
	id := ID{Batch: "b1", Row: 3}
	for event, state := range map[EventType]State{
		EventJobDone: Done, EventJobFailed: Failed, EventJobTimedOut: TimedOut, EventJobCanceled: Canceled, EventJobRetried: Queued, EventJobLate: Done,
	} {
		for _, now := range States {
			for _, attempt := range []int{1, 2} {
				for _, late := range []bool{false, true} {
					store := fakeSource{job: Job{
						ID: id, URL: "https://example.com/", Metadata: Metadata{"sku": "7"}, Params: Params{"size": "page"}, Tags: []string{"t"},
						State: now, Attempt: attempt, Late: late, ScreenshotID: "s1", ImageURL: "https://vendor.example/1.png", Cost: &cost,
						CreatedAt: eventTime.Add(-time.Hour), ClosedAt: eventTime.Add(time.Hour),
					}}
					data := tell(t, store, Event{Type: event, Batch: "b1", Job: id, Attempt: 1}).Data
					if data["id"] != "b1-3" || data["batch_id"] != "b1" || data["url"] != "https://example.com/" || data["metadata"] == nil || data["created_at"] == nil {
						t.Errorf("%s of a job that is %s: what it is about is missing: %v", event, now, data)
					}
					whole := now == state && attempt == 1
					want := state
					if event == EventJobLate {
						if whole = late; late {
							want = now
						}
					}
					if data["state"] != string(want) {
						t.Errorf("%s of a job that is %s in attempt %d: told as %v, want %s", event, now, attempt, data["state"], want)
					}
					if (data["screenshot_id"] != nil) != whole || (data["cost"] != nil) != whole {
						t.Errorf("%s of a job that is %s in attempt %d, late %t: told whole: %t, want %t", event, now, attempt, late, !whole, whole)
					}
					if !whole && data["attempt"] != 1.0 {
						t.Errorf("%s of a job in attempt %d is told of attempt %v, want the event's", event, attempt, data["attempt"])
					}
					if closed, has := data["closed_at"].(string); !whole && has != !want.Open() || !whole && has && closed != eventTime.Format(time.RFC3339) {
						t.Errorf("%s of a job that is %s: closed at %v", event, now, data["closed_at"])
					}
				}
			}
		}
	}
}

// A correction, and a late result, may bring either state: their events have it.
// One that told of a state which a correction has changed since is told without
// what is known now.
func TestACorrectionIsToldAsItsEventSays(t *testing.T) {
	t.Parallel()
	id := ID{Batch: "b1", Row: 3}
	for name, test := range map[string]struct {
		event     EventType
		of        State // the event's
		job       Job
		whole     bool
		corrected bool
	}{
		"corrected to done":                   {EventJobCorrected, Done, Job{State: Done, Corrected: true}, true, true},
		"corrected to failed":                 {EventJobCorrected, Failed, Job{State: Failed, Corrected: true}, true, true},
		"corrected with an older picture":     {EventJobCorrected, Done, Job{State: Done, Corrected: true, Late: true, Attempt: 2}, true, true},
		"corrected to failed, then retried":   {EventJobCorrected, Failed, Job{State: Queued, Attempt: 2}, false, true},
		"corrected twice":                     {EventJobCorrected, Done, Job{State: TimedOut, Corrected: true, Attempt: 2}, false, true},
		"late failed":                         {EventJobLate, Failed, Job{State: Failed, Late: true}, true, false},
		"late failed, then corrected":         {EventJobLate, Failed, Job{State: Done, Late: true, Corrected: true}, false, false},
		"failed, then corrected":              {EventJobFailed, "", Job{State: Done, Corrected: true}, false, false},
		"done, then corrected":                {EventJobDone, "", Job{State: Failed, Corrected: true}, false, false},
		"done, then with an older picture":    {EventJobDone, "", Job{State: Done, Corrected: true, Late: true}, false, false},
		"late, as an earlier version told it": {EventJobLate, "", Job{State: Failed, Late: true}, true, false},
	} {
		j := test.job
		j.ID, j.ScreenshotID = id, "s1"
		if j.Attempt == 0 {
			j.Attempt = 1
		}
		data := tell(t, fakeSource{job: j}, Event{Type: test.event, State: test.of, Batch: "b1", Job: id, Attempt: 1}).Data
		want := test.of
		if want == "" {
			want = map[EventType]State{EventJobFailed: Failed, EventJobDone: Done, EventJobLate: j.State}[test.event]
		}
		if whole := data["screenshot_id"] != nil; whole != test.whole || data["state"] != string(want) || (data["corrected"] == true) != test.corrected {
			t.Errorf("%s: told %v; want whole: %t, state %s, corrected: %t", name, data, test.whole, want, test.corrected)
		}
	}
}

// TestAJobThatWaitsAgainIsToldSo: it was retried in the attempt that it was canceled
// in. One that is pending after it was queued is told as queued.
func TestAJobThatWaitsAgainIsToldSo(t *testing.T) {
	t.Parallel()
	id := ID{Batch: "b1", Row: 3}
	for _, now := range []State{Pending, Done} {
		for of, want := range map[State]State{Pending: Pending, "": Queued} {
			store := fakeSource{job: Job{ID: id, State: now, Attempt: 1, ScreenshotID: "s1"}}
			data := tell(t, store, Event{Type: EventJobRetried, State: of, Batch: "b1", Job: id, Attempt: 1}).Data
			if data["state"] != string(want) || (data["screenshot_id"] == "s1") != (want == now) {
				t.Errorf("of %q, now %s: told %v", of, now, data)
			}
		}
	}
}

func TestABatchIsToldAsItsEventSays(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		state    BatchState
		revision int
		whole    bool
	}{
		"as it was":  {BatchFinished, 2, true},
		"opened":     {BatchOpen, 2, false},
		"revised":    {BatchFinished, 3, false},
		"not so far": {BatchFinished, 1, false},
	} {
		for _, event := range []EventType{EventBatchFinished, EventBatchRevised} {
			store := fakeSource{batch: Batch{BatchSpec: BatchSpec{ID: "b1"}, State: tt.state, Revision: tt.revision, Counts: Counts{Rows: 7}}}
			data := tell(t, store, Event{Type: event, Batch: "b1", Revision: 2}).Data
			if data["batch_id"] != "b1" || data["state"] != "finished" || data["revision"] != 2.0 {
				t.Errorf("%s, %s: told %v", name, event, data)
			}
			if (data["rows"] == 7.0) != tt.whole {
				t.Errorf("%s, %s: told whole: %t, want %t", name, event, !tt.whole, tt.whole)
			}
		}
	}
}

func TestAPauseByAnErrorIsToldWithItsReason(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		state  BatchState
		reason string
	}{
		"as it was": {BatchPaused, "the key was refused"}, "resumed": {BatchOpen, ""}, "paused by hand since": {BatchPaused, ""}, "finished": {BatchFinished, ""},
	} {
		store := fakeSource{batch: Batch{BatchSpec: BatchSpec{ID: "b1"}, State: tt.state, PauseReason: tt.reason, Revision: 2, Counts: Counts{Rows: 7}}}
		data := tell(t, store, Event{Type: EventBatchPaused, Batch: "b1", Revision: 2}).Data
		if data["batch_id"] != "b1" || data["state"] != "paused" || data["revision"] != 2.0 {
			t.Errorf("%s: told %v", name, data)
		}
		if reason, _ := data["pause_reason"].(string); reason != tt.reason || (data["rows"] == 7.0) != (tt.reason != "") {
			t.Errorf("%s: told %v, want the batch with its reason only while it is paused by it", name, data)
		}
	}
}

func TestAForeignScreenshotIsToldWithItsPayload(t *testing.T) {
	t.Parallel()
	foreign := func(body string) fakeSource {
		return fakeSource{delivery: KeptDelivery{Delivery: Delivery{
			Seq: 9, ReceivedAt: eventTime, Event: "screenshot.completed", ScreenshotID: "77", Outcome: OutcomeDone, ImageURL: "https://vendor.example/77.png",
			Body: []byte(body),
		}}}
	}
	event := Event{Type: EventForeign, Delivery: 9}
	data := tell(t, foreign(`{"event":"x","n":1}`), event).Data
	payload, _ := data["payload"].(map[string]any)
	if data["screenshot_id"] != "77" || data["event"] != "screenshot.completed" || data["outcome"] != "done" || payload["n"] != 1.0 ||
		data["received_at"] != "2031-05-06T12:08:09Z" {
		t.Errorf("told %v", data)
	}
	if data := tell(t, foreign("no JSON"), event).Data; data["payload"] != nil || data["screenshot_id"] != "77" {
		t.Errorf("a payload that is no JSON: told %v", data)
	}
	if data := tell(t, fakeSource{err: ErrNotFound}, event).Data; len(data) != 0 {
		t.Errorf("a delivery that is not kept any more: told %v", data)
	}
}

func TestWhatCannotBeReadIsNotTold(t *testing.T) {
	t.Parallel()
	for _, e := range []Event{
		{Seq: 41, Type: EventForeign, Delivery: 9}, {Seq: 41, Type: EventJobDone, Batch: "b1", Job: ID{Batch: "b1", Row: 1}},
		{Seq: 41, Type: EventBatchFinished, Batch: "b1"},
	} {
		_, err := NewMessage(t.Context(), fakeSource{err: ErrUnavailable}, e)
		if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "event 41") {
			t.Errorf("%s: error %v, want the store's with the event's place", e.Type, err)
		}
	}
}

func TestAnEventHasOneNameForEver(t *testing.T) {
	t.Parallel()
	e := Event{Seq: 12, At: time.UnixMilli(1_700_000_000_123)}
	if got := e.ID(); got != "evt_1700000000123_12" {
		t.Errorf("event is called %s", got)
	}
}
