package orchestrator

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"shotline/client"
	"shotline/jobs"
)

// One create is sent at a time. While those of a batch are under way, a job of
// higher priority arrives.
func TestSingleJobOvertakesABatch(t *testing.T) {
	overtakes(t, func(r *rig) {
		_, err := r.full.AddJob(r.ctx(), jobs.BatchSpec{ID: "urgent", Priority: 1}, jobs.Request{URL: "https://urgent.test/"}, r.clock.Now())
		r.must(err)
	})
}

// The priority of a row wins over that of its batch.
func TestUrgentRowOvertakesAnotherBatch(t *testing.T) {
	overtakes(t, func(r *rig) {
		rows := requests{{Line: 1, URL: "https://urgent.test/", Priority: new(1)}}
		_, err := Import(r.ctx(), r.store, jobs.BatchSpec{ID: "urgent", Priority: -1}, &rows, r.clock, ImportOptions{})
		r.must(err)
	})
}

func overtakes(t *testing.T, add func(*rig)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, one)
		r.load(4)
		add(r)
		answer := make(chan struct{})
		r.vendor.onCreate = func(client.Screenshot) { <-answer }
		ended := make(chan error, 2)
		submit := func(batch string) {
			go func() { ended <- r.SubmitBatch(r.ctx(), batch) }()
			synctest.Wait()
		}
		submit(rigBatch) // its first create is under way, and its second waits
		submit("urgent")
		close(answer)
		r.must(errors.Join(<-ended, <-ended))
		var order []string
		for _, create := range r.vendor.creates {
			order = append(order, strings.Split(strings.TrimPrefix(create.URL, "https://"), ".")[0])
		}
		if want := []string{rigBatch, "urgent", rigBatch, rigBatch, rigBatch}; !slices.Equal(order, want) {
			t.Errorf("creates were sent for %v, want %v", order, want)
		}
	})
}
