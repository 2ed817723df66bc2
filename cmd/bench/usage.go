package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// processorTime returns the CPU time that the process used in its life. The
// process must have ended.
func (s *serve) processorTime() time.Duration {
	return s.process.ProcessState.UserTime() + s.process.ProcessState.SystemTime()
}

// processorSoFar returns the CPU time that a running process has used. Linux
// reports it in hundredths of a second.
func processorSoFar(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	_, after, _ := bytes.Cut(stat, []byte(") ")) // the name can contain spaces
	fields := bytes.Fields(after)
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/%d/stat: %q", pid, stat)
	}
	var ticks int64
	for _, field := range fields[11:13] { // utime and stime
		n, err := strconv.ParseInt(string(field), 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond, nil
}

// peakMemory returns the peak memory of a running process in MB, as Linux reports
// it. The resource usage of an ended process is no replacement: a child's peak
// begins with the peak of its parent.
func peakMemory(pid int) (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, after, found := bytes.Cut(status, []byte("\nVmHWM:"))
	if !found {
		return 0, os.ErrNotExist // the process is ending
	}
	kilobytes, err := strconv.ParseFloat(string(bytes.Fields(after)[0]), 64)
	return kilobytes / 1024, err
}
