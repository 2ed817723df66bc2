package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// processorTime is what the process took of the processors in its life, which
// must have ended.
func (s *serve) processorTime() time.Duration {
	return s.process.ProcessState.UserTime() + s.process.ProcessState.SystemTime()
}

// peakMemory is the most memory that a running process has had, in MB, as Linux
// tells it. What is known of one that has ended would not do: a child begins with
// the peak of its parent.
func peakMemory(pid int) (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, after, found := bytes.Cut(status, []byte("\nVmHWM:"))
	if !found {
		return 0, os.ErrNotExist // a process that is ending
	}
	kilobytes, err := strconv.ParseFloat(string(bytes.Fields(after)[0]), 64)
	return kilobytes / 1024, err
}
