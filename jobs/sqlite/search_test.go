package sqlite

import (
	"path/filepath"
	"testing"

	"shotline/jobs"
)

// TestSearchForAStateManyTimes checks that the statement does not become too long
// if the filter names a state many times.
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
		t.Errorf("Search returned %d jobs, %v, want 3", len(page), err)
	}
	list, err := s.Jobs(t.Context(), jobs.JobFilter{Batch: "b", States: states})
	if err != nil || len(list) != 3 {
		t.Errorf("Jobs returned %d jobs, %v, want 3", len(list), err)
	}
}
