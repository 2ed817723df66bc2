package torture

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// slot is a place where a serve can run: its addresses for webhooks and for orders.
type slot struct {
	number  int
	address string
	api     string
	starts  int

	mu      sync.Mutex
	process *process // the latest; nil before the first
}

func (s *slot) runs() bool { return s.running() != nil }

// running is the process in the slot; nil when there is none.
func (s *slot) running() *process {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil || !s.process.running() {
		return nil
	}
	return s.process
}

// startServe fills a slot and does not wait until the serve is ready. With an
// own queue it does not share Redis with the other slot.
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
		r.breaks("%v", err)
		return
	}
	s.process = p
	r.mu.Lock()
	r.processes = append(r.processes, p)
	r.figures.starts++
	r.mu.Unlock()
	go func() {
		<-p.ended
		if !p.asked.Load() {
			r.violates("stays up", subject{}, "%s ended by itself: %v\n%s", p.name, p.result, p.tail(30))
			r.endLiving() // perhaps none ever stays up to be killed
		}
	}()
}

// killServe is a power failure for one process.
func (r *rig) killServe(s *slot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil || !s.process.running() {
		return
	}
	s.process.kill()
	r.count(func(f *figures) { f.kills++ })
}

// stopServes ends what still runs the gentle way, which must work as well.
func (r *rig) stopServes() {
	for _, s := range r.slots {
		p := s.running()
		if p == nil {
			continue
		}
		began := time.Now()
		p.signal(syscall.SIGTERM)
		if took := time.Since(began); p.result != nil || took > 10*time.Second {
			r.violates("stops", subject{}, "%s ended with %v, %s after SIGTERM", p.name, p.result, took)
		}
	}
	for _, p := range r.processes {
		if data, err := os.ReadFile(p.log); err == nil && strings.Contains(string(data), "DATA RACE") {
			r.violates("no data race", subject{}, "%s", p.log)
		}
	}
}

// endSampling returns when the figures of the serves change no more.
func (r *rig) endSampling() {
	r.stop.Do(func() { close(r.stopping) })
	<-r.sampled
}

// sample measures the serves until endSampling.
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

// usage is how many files the process has open and how many bytes of memory it
// takes; zeros when it has just ended.
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
