package main

import (
	"testing"
	"time"
)

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
