package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"shotline/jobs"
	"shotline/jobs/sqlite"
)

// TestInboxReplayClosesNothingTwice applies the webhook of a job again, and refuses
// webhooks that are held or not applied yet.
func TestInboxReplayClosesNothingTwice(t *testing.T) {
	t.Parallel()
	ctx, now, db := t.Context(), time.Now(), filepath.Join(t.TempDir(), "a.db")
	store, err := sqlite.Open(ctx, db)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	deliver := func(screenshot string, outcome jobs.Outcome) {
		t.Helper()
		_, err := store.AppendDelivery(ctx, jobs.Delivery{ReceivedAt: now, ScreenshotID: screenshot, Outcome: outcome, Body: []byte("\x1b[31m\xff")})
		must(err)
	}
	apply := func() {
		t.Helper()
		_, err := store.ApplyInbox(ctx, now, 10)
		must(err)
	}
	must(store.CreateBatch(ctx, jobs.BatchSpec{ID: "b1"}, now))
	must(store.AppendRequests(ctx, "b1", []jobs.Request{{URL: "https://a.test/"}, {URL: "https://b.test/"}}, now))
	_, err = store.OpenBatch(ctx, "b1", now)
	must(err)
	leases, err := store.Lease(ctx, "b1", "w", 2, now, now.Add(time.Minute))
	must(err)
	for _, lease := range leases {
		_, err := store.OpenIntent(ctx, lease, now, now.Add(time.Minute))
		must(err)
	}
	first := leases[0].Job.ID
	_, err = store.Observe(ctx, []jobs.Observation{{Job: first, Attempt: 1, ScreenshotID: "s1", Outcome: jobs.OutcomeProcessing}}, jobs.ByCreate, now, now.Add(time.Hour))
	must(err)
	deliver("s1", jobs.OutcomeDone)
	deliver("s2", jobs.OutcomeDone)
	apply()
	deliver("s1", jobs.OutcomeFailed)
	inbox := func(want int, args ...string) string {
		t.Helper()
		var out, notes bytes.Buffer
		code := run(ctx, append([]string{"shotline", "inbox", "--db", db}, args...), streams{in: strings.NewReader(""), out: &out, err: &notes})
		if code != want {
			t.Fatalf("inbox %v: exit code %d, want %d: %s", args, code, want, notes.String())
		}
		return out.String() + notes.String()
	}
	for place, text := range map[string]string{"2": "webhook 2 is held", "3": "webhook 3 is not applied yet"} {
		if got := inbox(exitUsage, "replay", "1", place); !strings.Contains(got, text) {
			t.Errorf("replay %s: %s", place, got)
		}
	}
	if got := inbox(exitOK, "show", "1"); strings.Contains(got, "\x1b") || !strings.Contains(got, "webhook 1  applied") {
		t.Errorf("show: %q", got)
	}
	if got := inbox(exitOK, "show", "1", "--json"); !strings.Contains(got, `"body_base64":"G1szMW3/"`) {
		t.Errorf("show --json: %q", got)
	}
	apply()
	if got, want := inbox(exitOK, "replay", "1", "3", "1"), "webhook 1 was applied again as 4: applied\nwebhook 3 was applied again as 5: applied\n"; got != want {
		t.Errorf("replay: %q, want %q", got, want)
	}
	h, err := store.History(ctx, first)
	must(err)
	if h.Job.State != jobs.Done || len(h.Events) != 1 || len(h.Deliveries) != 4 || h.Job.Conflicts != 2 {
		t.Errorf("the job is %+v with events %+v", h.Job, h.Events)
	}
}
