package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"slices"
	"time"
)

// ran is a command that did what it should.
type ran struct {
	took time.Duration // from start to exit
	out  []byte        // what it printed
	peak float64       // the most memory that it had, in MB; 0 where the system does not tell
}

// command runs a program to its end.
func command(ctx context.Context, program string, args ...string) (ran, error) {
	var r ran
	var out, said bytes.Buffer
	c := exec.CommandContext(ctx, program, args...)
	c.Stdout, c.Stderr = &out, &said
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
		err = fmt.Errorf("%s %q: %w\n%s", program, args, err, said.Bytes())
	}
	return r, err
}

// watchPeak looks again and again how much memory a process has had at most.
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

// sorted are the times that runs took.
func sorted(runs []ran) latencies {
	took := make(latencies, len(runs))
	for i, r := range runs {
		took[i] = r.took
	}
	slices.Sort(took)
	return took
}

// peak is the median of what runs had at most.
func peak(runs []ran) float64 {
	peaks := make([]float64, len(runs))
	for i, r := range runs {
		peaks[i] = r.peak
	}
	return median(peaks)
}
