package simulation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"shotline/jobs"
	"shotline/orchestrator"
	"shotline/orchestrator/download"
)

// folders are the real folders in which files are saved.
type folders struct {
	root string // parent of the folders
	away bool   // no folder can be opened
	idle bool   // nobody looks for files
}

// folderNames are the folders that orders name, below the root.
var folderNames = []string{"one", "one", "one", "two"}

// fileNames are the templates of orders. They give many files the same name, or
// names that differ in case only.
var fileNames = []string{"{row}", "{batch}/{row}-{shot}", "shot", "Shot"}

// drawOrder draws an order for the files of a batch.
func (w *world) drawOrder(batch string) jobs.DownloadOrder {
	d := w.random
	return jobs.DownloadOrder{Batch: batch, Folder: filepath.Join(w.folders.root, oneOf(d, folderNames)), Name: oneOf(d, fileNames)}
}

// setAway makes the folders unusable for processes that open them, or usable
// again.
func (f *folders) setAway(away bool) {
	if f.away == away {
		return
	}
	f.away = away
	moved := f.root + ".moved"
	var err error
	if away {
		err = errors.Join(os.MkdirAll(f.root, 0o700), os.Rename(f.root, moved), os.WriteFile(f.root, nil, 0o600))
	} else {
		err = errors.Join(os.Remove(f.root), os.Rename(moved, f.root))
	}
	if err != nil {
		panic(err)
	}
}

// fileClock is the clock of downloads. A goroutine that has slept stops.
type fileClock struct {
	orchestrator.SystemClock
	stops *stops
}

func (c fileClock) Sleep(ctx context.Context, d time.Duration) error {
	if err := c.SystemClock.Sleep(ctx, d); err != nil {
		return err
	}
	return c.stops.wait(ctx, "waited %s", d)
}

// openFiles must run before the process takes any work. The files of a process are
// fetched one after the other, because the stops of several sleepers would have
// the same name.
func (p *process) openFiles(log *slog.Logger) {
	p.files = download.NewWorker(download.WorkConfig{Parallel: 1}, download.WorkParts{
		Store: p.port, Vendor: vendorPort{p.w}, Queue: queuePort{p.w}, Clock: fileClock{stops: &p.w.stops}, Logger: log,
		Random: p.w.random.float,
	})
}

func (p *process) watchFiles() { p.once("watch files", p.files.WatchOnce) }

// EnqueueFiles implements download.Queue.
func (p queuePort) EnqueueFiles(ctx context.Context, generation int64) error {
	t := &task{id: fmt.Sprintf("files:%d", generation), kind: "files"}
	if err := p.w.stops.wait(ctx, "enqueue %s", t.id); err != nil {
		return err
	}
	return p.w.queue.add(t)
}

// orderFiles gives a command that orders the files of a batch, or of all batches.
func (o *operator) orderFiles(batch string) {
	order := o.w.drawOrder(batch)
	if o.w.random.chance(0.3) {
		order.Batch = ""
	}
	o.command("order files", order.Batch, func(ctx context.Context, p *process, _ string) error {
		return p.port.OrderDownload(ctx, order, p.now())
	})
}

// filesEndIn is the time from the last event until the end of every file. A file
// that cannot be fetched is tried for eight hours.
const filesEndIn = 9 * time.Hour

// awaitFiles runs until no file is wanted.
func (w *world) awaitFiles() {
	end := time.Now().Add(filesEndIn)
	for w.profile.files && !w.failed() {
		left, wake := w.checker.unfetched()
		switch {
		case left == "":
			return
		case time.Now().After(end):
			w.fail("P8", "a file is neither saved nor given up %s after all work has ended: %s", filesEndIn, left)
			return
		}
		wait := min(max(time.Until(wake), time.Second), time.Hour)
		if w.isFetching() {
			wait = 2 * time.Second
		}
		w.round(wait)
	}
}

// amendSaved gives rows of a batch whose files are saved another request. Nobody
// looks for files until the rows have ended again.
func (w *world) amendSaved() {
	order := oneOf(w.random, w.operator.batches)
	var done []int64
	for _, seq := range slices.Sorted(maps.Keys(w.checker.jobs)) {
		if j := w.checker.jobs[seq]; j.batch == order.id && j.state == jobs.Done {
			done = append(done, j.row())
		}
	}
	if w.failed() || len(done) == 0 {
		return
	}
	w.folders.idle = true
	w.operator.giveAmendment(order, done, true)
	w.runTo(time.Now().Add(endsIn + summarizedIn))
	w.folders.idle = false
	w.awaitCallbacks()
	w.awaitFiles()
}

// isFetching reports whether a process is fetching files.
func (w *world) isFetching() bool {
	return slices.ContainsFunc(w.processes, func(p *process) bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		for name := range p.busy {
			if strings.HasPrefix(name, "task files:") {
				return true
			}
		}
		return false
	})
}
