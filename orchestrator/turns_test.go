package orchestrator

import (
	"context"
	"testing"
	"time"

	"shotline/client"
	"shotline/jobs"
)

// The sweeper enqueues work again if it takes long. The second task must not send
// the vendor the same queries.
func TestSecondTaskLeavesTheWorkToTheFirst(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		prepare func(*rig)
		task    func(*rig) error
	}{
		"submission": {func(*rig) {}, func(r *rig) error { return r.SubmitBatch(r.ctx(), rigBatch) }},
		"deadlines": {func(r *rig) {
			r.submitAll()
			r.clock.advance(70 * time.Second)
		}, func(r *rig) error { return r.CheckDeadlines(r.ctx()) }},
		"summary": {func(r *rig) {
			r.submitAll()
			r.webhooks(jobs.OutcomeFailed)
		}, func(r *rig) error { return r.SummarizeBatch(r.ctx(), rigBatch) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.load(1)
			test.prepare(r)
			called, answer := make(chan struct{}, 10), make(chan struct{})
			wait := func() error {
				called <- struct{}{}
				<-answer
				return nil
			}
			r.vendor.onCreate = func(client.Screenshot) { wait() }
			r.vendor.onInfo = func(string) error { return wait() }
			r.vendor.onList = func(context.Context) error { return wait() }
			first := make(chan error)
			go func() { first <- test.task(r) }()
			<-called
			second := make(chan error)
			go func() { second <- test.task(r) }()
			select {
			case err := <-second:
				r.must(err)
			case <-called:
				t.Error("both tasks called the vendor")
				close(answer)
				<-second
				<-first
				return
			}
			close(answer)
			r.must(<-first)
			r.must(test.task(r)) // the turn is free again
		})
	}
}
