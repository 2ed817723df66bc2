package main

import (
	"os"
	"strconv"
	"testing"
	"time"
)

// TestMain is also the program that TestPeakExcludesParent runs.
func TestMain(m *testing.M) {
	mb, err := strconv.Atoi(os.Getenv("BENCH_TEST_MB"))
	if err != nil {
		os.Exit(m.Run())
	}
	held := make([]byte, mb<<20)
	for i := 0; i < len(held); i += 512 {
		held[i] = 1
	}
	time.Sleep(100 * time.Millisecond) // long enough to be polled
}

func TestPeakExcludesParent(t *testing.T) {
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("peaks are read from /proc")
	}
	held := make([]byte, 200<<20) // held by the parent
	for i := 0; i < len(held); i += 512 {
		held[i] = 1
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	parent, err := peakMemory(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for _, mb := range []int{1, 50} {
		t.Setenv("BENCH_TEST_MB", strconv.Itoa(mb))
		r, err := command(t.Context(), self)
		if err != nil {
			t.Fatal(err)
		}
		// With the race detector, parent and child use several times as much memory.
		if r.peak < float64(mb) || r.peak > parent/2 {
			t.Errorf("peak of a child that uses %d MB: got %.0f MB, the parent has %.0f MB", mb, r.peak, parent)
		}
	}
	if held[0] != 1 {
		t.Error("the parent's memory was released")
	}
}
