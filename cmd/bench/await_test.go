package main

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestEverybodyHears is the measurement in small.
func TestEverybodyHears(t *testing.T) {
	program := filepath.Join(t.TempDir(), "shotline")
	if out, err := exec.Command("go", "build", "-race", "-o", program, "shotline/cmd/shotline").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	l, err := measureAwait(t.Context(), program, load{waits: 20, streams: 3, rate: 1000})
	if err != nil {
		t.Fatal(err)
	}
	if len(l.waited) != 20 || len(l.told) != 60 || l.waited[19] > time.Minute || !slices.IsSorted(l.told) {
		t.Errorf("%d requests and %d events of streams, the longest waits %s", len(l.waited), len(l.told), l.waited[19])
	}
	var table strings.Builder
	if err := l.print(&table); err != nil || !strings.Contains(table.String(), "| 3 event streams | 60 |") {
		t.Errorf("%s, %v", &table, err)
	}
}

func TestPartsOfLatencies(t *testing.T) {
	var took []time.Duration
	for i := range 100 {
		took = append(took, time.Duration(i+1)*time.Millisecond)
	}
	for part, want := range map[float64]string{0.5: "51.0 ms", 0.99: "100.0 ms", 1: "100.0 ms"} {
		if got := at(took, part); got != want {
			t.Errorf("%v: %s, want %s", part, got, want)
		}
	}
}
