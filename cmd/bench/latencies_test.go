package main

import (
	"testing"
	"time"
)

func TestQuantiles(t *testing.T) {
	var took latencies
	for i := range 100 {
		took = append(took, time.Duration(i+1)*time.Millisecond)
	}
	for part, want := range map[float64]float64{0.5: 51, 0.99: 100, 1: 100} {
		if got := took.at(part); got != want {
			t.Errorf("%v: %v ms, want %v", part, got, want)
		}
	}
}
