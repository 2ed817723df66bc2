package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"slices"
	"time"
)

// commandRun is the result of a command that succeeded.
type commandRun struct {
	took time.Duration // from start to exit
	out  []byte        // standard output
	peak float64       // most memory used, in MB; 0 if the system does not report it
}

// command runs a program and waits for it to exit.
func command(ctx context.Context, program string, args ...string) (commandRun, error) {
	var r commandRun
	var out, stderr bytes.Buffer
	c := exec.CommandContext(ctx, program, args...)
	c.Stdout, c.Stderr = &out, &stderr
	began := time.Now()
	if err := c.Start(); err != nil {
		return r, err
	}
	ended, watched := make(chan struct{}), make(chan struct{})
	go func() { defer close(watched); r.peak = watchPeak(c.Process.Pid, ended) }()
	err := c.Wait()
	r.took = time.Since(began)
	close(ended)
	<-watched
	r.out = out.Bytes()
	if err != nil {
		err = fmt.Errorf("%s %q: %w\n%s", program, args, err, stderr.Bytes())
	}
	return r, err
}

// watchPeak polls the peak memory of a process until ended is closed.
func watchPeak(pid int, ended <-chan struct{}) (peak float64) {
	for {
		if now, err := peakMemory(pid); err == nil {
			peak = max(peak, now)
		}
		select {
		case <-ended:
			return peak
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// sorted returns the durations of runs, sorted.
func sorted(runs []commandRun) latencies {
	took := make(latencies, len(runs))
	for i, r := range runs {
		took[i] = r.took
	}
	slices.Sort(took)
	return took
}

// peak returns the median of the peak memory of runs.
func peak(runs []commandRun) float64 {
	peaks := make([]float64, len(runs))
	for i, r := range runs {
		peaks[i] = r.peak
	}
	return median(peaks)
}
