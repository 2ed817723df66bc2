package main

import (
	"bytes"
	"fmt"
	"os"
	"time"
)

// processorTime is what the process took of the processors in its life, which
// must have ended.
func (s *serve) processorTime() time.Duration {
	return s.process.ProcessState.UserTime() + s.process.ProcessState.SystemTime()
}

// peakMemory is the most memory that the process had up to now, in MB. Its
// resource usage after the end would not do: that begins with what this process
// had when it started the other.
func (s *serve) peakMemory() (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.process.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, after, _ := bytes.Cut(status, []byte("VmHWM:"))
	var kilobytes float64
	if _, err := fmt.Sscanf(string(after), "%f kB", &kilobytes); err != nil {
		return 0, fmt.Errorf("read the peak of the memory: %w", err)
	}
	return kilobytes / 1024, nil
}
