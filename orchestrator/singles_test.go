package orchestrator

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"shotline/jobs"
)

// single adds a single job.
func (r *rig) single(n int) {
	r.t.Helper()
	_, err := r.full.AddJob(r.ctx(), jobs.BatchSpec{ID: fmt.Sprintf("s%04d", n)}, jobs.Request{URL: fmt.Sprintf("https://example.com/%d", n)}, r.clock.Now())
	r.must(err)
}

func TestManySingleJobsNeedFewTasks(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const n = mostUnderWay + 2*singlesChunk + 7
	for i := range n {
		r.single(i)
	}
	submitted := 0
	for round := 0; submitted < n; round++ {
		r.must(r.WatchOnce(r.ctx()))
		r.must(r.WatchOnce(r.ctx())) // enqueues nothing more
		tasks := slices.DeleteFunc(r.queue.take(), func(task string) bool { return !strings.HasPrefix(task, "submit ") })
		if len(tasks) == 0 || len(tasks) > mostUnderWay/singlesChunk {
			t.Fatalf("round %d: %d tasks, want from 1 to %d: %q", round, len(tasks), mostUnderWay/singlesChunk, tasks)
		}
		for _, task := range tasks {
			batches := strings.Fields(task)
			for _, batch := range batches[1 : len(batches)-1] {
				r.must(r.SubmitBatch(r.ctx(), batch))
				submitted++
			}
		}
	}
	if submitted != n {
		t.Errorf("got %d submitted jobs, want %d", submitted, n)
	}
	r.clock.advance(time.Hour)
	r.sweep()
	for _, task := range r.queue.take() {
		if strings.HasPrefix(task, "submit") {
			t.Errorf("got task %q although all jobs were submitted", task)
		}
	}
}

func TestBatchSharesNoTaskWithSingleJobs(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.single(1)
	r.single(2)
	r.load(3)
	r.single(3)
	r.sweep()
	if got := strings.Join(r.queue.take(), ", "); got != "submit s0001 s0002 1, submit b1 1, submit s0003 1" {
		t.Errorf("enqueued %q", got)
	}
}
