package torture

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// slot holds the addresses of a serve, for webhooks and for the API, and its
// process.
type slot struct {
	number  int
	address string
	api     string
	starts  int

	mu      sync.Mutex
	process *process // the latest; nil before the first start
}

func (s *slot) runs() bool { return s.running() != nil }

// running returns the process in the slot, or nil if there is none.
func (s *slot) running() *process {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil || !s.process.running() {
		return nil
	}
	return s.process
}

// startServe starts a serve in a slot and does not wait until it is ready. With
// its own queue, the serve does not share Redis with the other slot.
func (r *rig) startServe(s *slot, ownQueue bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.starts++
	args := []string{"serve", "--listen", s.address, "--api-listen", s.api, "--log-level", "debug"}
	if !ownQueue {
		args = append(args, "--redis-url", r.redis.url())
	}
	p, err := r.start(fmt.Sprintf("serve-%d-%03d", s.number, s.starts), nil, nil, r.binary, args...)
	if err != nil {
		r.fail("%v", err)
		return
	}
	s.process = p
	r.mu.Lock()
	r.processes = append(r.processes, p)
	r.figures.starts++
	r.mu.Unlock()
	go func() {
		<-p.ended
		if !p.stopped.Load() {
			r.violated("stays up", ref{}, "%s ended unexpectedly: %v\n%s", p.name, p.result, p.tail(30))
			r.cancelFaults() // if no serve stays up, none could be killed
		}
	}()
}

// awaitServe waits until the serve of a slot takes requests. A sink receives only
// the events since a serve first opened the database with it, so no event must
// happen before that.
func (r *rig) awaitServe(s *slot) error {
	deadline := time.Now().Add(30 * time.Second)
	for s.runs() {
		conn, err := net.Dial("tcp", s.api)
		if err == nil {
			return conn.Close()
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the serve of slot %d takes no requests: %w", s.number, err)
		}
		time.Sleep(5 * time.Millisecond)
	}
	return fmt.Errorf("the serve of slot %d ended at its start", s.number)
}

// killServe kills a serve, as a power failure would.
func (r *rig) killServe(s *slot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil || !s.process.running() {
		return
	}
	s.process.kill()
	r.count(func(f *figures) { f.kills++ })
}

// stopServes stops the serves with SIGTERM. They must end without an error within
// ten seconds.
func (r *rig) stopServes() {
	for _, s := range r.slots {
		p := s.running()
		if p == nil {
			continue
		}
		began := time.Now()
		p.signal(syscall.SIGTERM)
		if took := time.Since(began); p.result != nil || took > 10*time.Second {
			r.violated("stops", ref{}, "%s ended with %v, %s after SIGTERM", p.name, p.result, took)
		}
	}
	for _, p := range r.processes {
		if data, err := os.ReadFile(p.log); err == nil && strings.Contains(string(data), "DATA RACE") {
			r.violated("no data race", ref{}, "%s", p.log)
		}
	}
}

// endSampling ends the measurement of the serves and waits until it has ended.
func (r *rig) endSampling() {
	r.stop.Do(func() { close(r.stopping) })
	<-r.sampled
}

// sample measures the serves until endSampling is called.
func (r *rig) sample() {
	defer close(r.sampled)
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-r.stopping:
			return
		}
		for _, s := range r.slots {
			if p := s.running(); p != nil {
				files, memory := p.usage()
				r.count(func(f *figures) { f.maxFiles, f.maxMemory = max(f.maxFiles, files), max(f.maxMemory, memory) })
			}
		}
	}
}

// usage returns the number of open files and the memory of the process in bytes.
// Both are 0 if the process has just ended.
func (p *process) usage() (files int, memory int64) {
	folder := "/proc/" + strconv.Itoa(p.cmd.Process.Pid)
	if entries, err := os.ReadDir(folder + "/fd"); err == nil {
		files = len(entries)
	}
	if data, err := os.ReadFile(folder + "/statm"); err == nil {
		if fields := strings.Fields(string(data)); len(fields) > 1 {
			pages, _ := strconv.ParseInt(fields[1], 10, 64)
			memory = pages * int64(os.Getpagesize())
		}
	}
	return files, memory
}
