package main

import (
	"bytes"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"shotline/jobs"
)

func TestProgressLine(t *testing.T) {
	var out bytes.Buffer
	p := &batchProgress{progress: newProgress(&out)}
	p.began, p.lineAt = p.began.Add(-time.Minute), p.began.Add(-time.Second)
	p.batch(jobs.Batch{Counts: jobs.Counts{Rows: 5, ByState: map[jobs.State]int64{jobs.Queued: 1, jobs.Done: 1, jobs.Canceled: 3}}})
	if got, want := out.String(), "4 of 5 rows ended: 1 done, 3 without an image\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}

	out.Reset()
	p.batch(jobs.Batch{Counts: jobs.Counts{Rows: 5_000, ByState: map[jobs.State]int64{jobs.Done: 5_000}}})
	p.end()
	p.end()
	if got, want := out.String(), "5,000 of 5,000 rows ended: 5,000 done\n"; got != want {
		t.Errorf("at the end got %q, want %q", got, want)
	}
}

// TestProgressOfABatch checks the rate of the last minute, the time that is left, the
// cost, the share of webhooks and what holds the batch.
func TestProgressOfABatch(t *testing.T) {
	var out bytes.Buffer
	p := &batchProgress{progress: newProgress(&out)}
	now, cost := time.Now(), 1_234.5
	p.began, p.lineAt = now.Add(-time.Hour), now.Add(-time.Second)
	for _, s := range []sample{{now.Add(-2 * time.Hour), 0}, {now.Add(-50 * time.Second), 3_000}, {now.Add(-20 * time.Second), 3_200}} {
		p.sample(s.at, s.ended)
	}
	b := jobs.Batch{Counts: jobs.Counts{
		Rows: 10_000, Cost: &cost, ByState: map[jobs.State]int64{jobs.Queued: 6_000, jobs.Done: 3_980, jobs.Failed: 20},
		ByProvenance: map[jobs.Provenance]int64{jobs.ByWebhook: 3_000, jobs.ByPoll: 1_000},
	}}
	p.batch(b)
	if want := "4,000 of 10,000 rows ended: 3,980 done, 20 without an image, 20/s, 5m0s left, 1,234.5 credits, 75 % by webhook\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
	p.held = "the vendor answers 429 until 12:03:00"
	out.Reset()
	p.lineAt = now.Add(-time.Second)
	p.batch(b)
	if want := "4,000 of 10,000 rows ended: the vendor answers 429 until 12:03:00, 3,980 done"; !strings.HasPrefix(out.String(), want) {
		t.Errorf("got %q, want %q", out.String(), want)
	}
	out.Reset()
	if p.print(); !strings.Contains(out.String(), "4,000 of 10,000 rows ended: the vendor answers 429") {
		t.Errorf("printed %q", out.String())
	}
}

// TestProgressFits checks that a bar is not wider than its terminal.
func TestProgressFits(t *testing.T) {
	for width, want := range map[int]string{
		80: "1,000 done, 20/s, 3 credits", 20: "1,000 done, 20/s", 11: "1,000 done", 10: "1,000 done", 5: "1,00…", 1: "…",
	} {
		if got := fit([]string{"1,000 done", "20/s", "3 credits"}, width); got != want {
			t.Errorf("fit into %d: %q, want %q", width, got, want)
		}
	}
}

// TestProgressOfFiles checks that a line and a bar show the rate and the time that is
// left, both without what had ended before, and that a bar adds no other time.
func TestProgressOfFiles(t *testing.T) {
	var line, bar bytes.Buffer
	for _, p := range []*progress{newProgress(&line), newProgress(&screen{w: &bar, terminal: true})} {
		p.noun, p.verb, p.before, p.savedBefore = "file", "", 500, 490
		p.began, p.lineAt = p.began.Add(-100*time.Second), p.began.Add(-time.Second)
		p.files(1_500, 3_000, 1_480, 20)
	}
	text := "1,480 files saved, 10/s, 2m30s left, 20 missing"
	if want := "1,500 of 3,000 files: " + text + "\n"; line.String() != want {
		t.Errorf("got %q, want %q", line.String(), want)
	}
	if got := bar.String(); !strings.Contains(got, "1,480 files saved, 10/s") || regexp.MustCompile(`\[\w+:\w+\]`).MatchString(got) {
		t.Errorf("a bar shows %q", got)
	}
}

func TestMessageOfJoinedErrors(t *testing.T) {
	err := errors.Join(errors.New("the disk is full"), errors.New("the vendor is\x1b[2J away"))
	if got, want := message(err.Error()), "the disk is full; the vendor is [2J away"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestRoundForDisplay(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 100 * time.Millisecond: "100ms", 2345 * time.Millisecond: "2.35s", 90*time.Second + 400*time.Millisecond: "1m30s",
	} {
		if got := roundForDisplay(d).String(); got != want {
			t.Errorf("%s is %s, want %s", d, got, want)
		}
	}
}
