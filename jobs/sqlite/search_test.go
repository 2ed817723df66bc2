package sqlite

import (
	"path/filepath"
	"testing"

	"shotline/jobs"
)

// A state that is asked for many times must not make the statement too long.
func TestSearchForAStateManyTimes(t *testing.T) {
	t.Parallel()
	s := openAt(t, filepath.Join(t.TempDir(), "search.db"))
	fill(t, s, "b", 3)
	states := make([]jobs.State, 600)
	for i := range states {
		states[i] = jobs.Queued
	}
	page, _, err := s.Search(t.Context(), jobs.JobSearch{JobFilter: jobs.JobFilter{Batch: "b", States: states}})
	if err != nil || len(page) != 3 {
		t.Errorf("found %d of 3: %v", len(page), err)
	}
	list, err := s.Jobs(t.Context(), jobs.JobFilter{Batch: "b", States: states})
	if err != nil || len(list) != 3 {
		t.Errorf("listed %d of 3: %v", len(list), err)
	}
}
