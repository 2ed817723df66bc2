package download_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"shotline/jobs"
	"shotline/orchestrator/download"
)

// numbered returns the names of n files that have the same name.
func numbered(n int) []string {
	names := []string{"a.test.png"}
	for i := 2; i <= n; i++ {
		names = append(names, fmt.Sprintf("a.test-%d.png", i))
	}
	return names
}

// TestNumbersHaveNoGaps checks the names of files that have the same name and are
// saved by many commands, each of which knows nothing of the others.
func TestNumbersHaveNoGaps(t *testing.T) {
	r := newRig(t, anyPNG)
	r.template = "{host}"
	const commands, each = 40, 3
	for n := 1; n <= commands; n++ {
		r.want(done(each*n), download.Counts{Saved: each})
		r.close()
		r.open()
	}
	r.files(numbered(commands * each)...)
}

// TestWorkerNumbersHaveNoGaps is the same for the tasks of a worker.
func TestWorkerNumbersHaveNoGaps(t *testing.T) {
	const tasks, each = 40, 3
	r := newWorkRig(t, tasks*each, anyPNG)
	r.order("b1", "{host}")
	w := r.worker(r.store, download.WorkConfig{})
	for range tasks {
		r.finish("b1", each)
		r.watch(w, 1)
		r.must(w.FetchFiles(t.Context()))
	}
	r.wantDisk(numbered(tasks * each)...)
}

// countedNames is a ledger that counts the names that are tried.
type countedNames struct {
	download.Ledger
	tried int
}

func (l *countedNames) NameFile(ctx context.Context, w download.Work) error {
	l.tried++
	return l.Ledger.NameFile(ctx, w)
}

// TestRunsShareNumbers checks that a run does not look for the numbers that an
// earlier one has used.
func TestRunsShareNumbers(t *testing.T) {
	r := newRig(t, anyPNG)
	r.template, r.names = "{host}", download.NewNames()
	ledger := &countedNames{Ledger: download.ManifestLedger{Manifest: r.manifest, Folder: r.dir, Recorder: r, Clock: clock{}}}
	r.ledger = ledger
	r.want(done(20), download.Counts{Saved: 20})
	ledger.tried = 0
	r.want(done(21), download.Counts{Saved: 1})
	if ledger.tried != 2 {
		t.Errorf("%d names were tried, want the one without a number and the next number", ledger.tried)
	}
}

// fullNames is a store in which all names of row 1 are taken.
type fullNames struct{ jobs.Store }

func (s fullNames) NameFile(ctx context.Context, f jobs.File) error {
	if f.Job.Row == 1 {
		return jobs.ErrExists
	}
	return s.Store.NameFile(ctx, f)
}

// TestFileWithoutName checks that a file for which no name is free fails, and that
// the other files of its claim are saved.
func TestFileWithoutName(t *testing.T) {
	r := newWorkRig(t, 2, anyPNG)
	r.finish("b1", 2)
	r.order("b1", "{row}")
	w := r.worker(fullNames{r.store}, download.WorkConfig{Once: true})
	r.watch(w, 1)
	r.must(w.FetchFiles(t.Context()))
	r.wantDisk("2.png")
	r.wantCounts("b1", jobs.FileCounts{Saved: 1, Failed: 1})
	r.wantEnded(map[string]int64{"saved": 1, "failed disk": 1})
	files, err := r.store.FilesOf(t.Context(), "b1", 0, 1)
	r.must(err)
	if len(files) != 1 || files[0].Tries != 1 || !strings.Contains(files[0].Error, "use a template that gives each file its own name") {
		t.Errorf("got files %+v", files)
	}
}

// brokenNames is a ledger that fails after some names, which it says are taken.
type brokenNames struct {
	download.Ledger
	taken int
}

func (l *brokenNames) NameFile(context.Context, download.Work) error {
	if l.taken--; l.taken >= 0 {
		return jobs.ErrExists
	}
	return jobs.ErrUnavailable
}

// TestNamesCannotBeRecorded checks that a run stops if the ledger fails while a
// number is looked for.
func TestNamesCannotBeRecorded(t *testing.T) {
	for taken := range 4 {
		r := newRig(t, anyPNG)
		r.ledger = &brokenNames{taken: taken}
		if _, err := r.run(t.Context(), done(1)); !errors.Is(err, jobs.ErrUnavailable) {
			t.Errorf("after %d names: error %v", taken, err)
		}
	}
}
