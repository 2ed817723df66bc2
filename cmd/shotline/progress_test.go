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
	p := newProgress(&out)
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

// TestProgressOfFiles checks that a line and a bar show the rate and the time that is
// left, both without what had ended before, and that a bar adds no other time.
func TestProgressOfFiles(t *testing.T) {
	var line, bar bytes.Buffer
	for _, p := range []*progress{newProgress(&line), newProgress(&screen{w: &bar, terminal: true})} {
		p.noun, p.verb, p.before, p.savedBefore = "file", "", 500, 490
		p.began, p.lineAt = p.began.Add(-100*time.Second), p.began.Add(-time.Second)
		p.files(1_500, 3_000, 1_480, 20)
	}
	text := "1,480 files saved, 10/s, 20 missing, 2m30s left"
	if want := "1,500 of 3,000 files: " + text + "\n"; line.String() != want {
		t.Errorf("got %q, want %q", line.String(), want)
	}
	if got := bar.String(); !strings.Contains(got, text) || regexp.MustCompile(`\[\w+:\w+\]`).MatchString(got) {
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
