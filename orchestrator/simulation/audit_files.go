package simulation

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"shotline/jobs"
)

const (
	fileTries    = 60 // after which a file has failed
	callsOfClaim = 6  // that a claim of a file allows, without those that are answered 429
)

// fileEntry is a row about a file.
type fileEntry struct {
	outputKey
	folder, name, state string
	size                int64
	tries               int
}

// rowKey identifies the row about a file.
type rowKey struct {
	job    int64
	output jobs.Output
	shot   int
}

// checkFetch counts a call for an output. The claims of its files must allow the
// call.
func (c *checker) checkFetch(k outputKey, limited bool) {
	v := &c.w.vendor
	v.mu.Lock()
	defer v.mu.Unlock()
	f := v.fetchesOf(k)
	f.calls++
	if limited {
		f.limited++
	}
	if f.calls > f.claims*callsOfClaim+f.limited {
		c.w.fail("P9", "%s %d of screenshot %s was fetched %d times by %d claims; %d calls were answered 429", k.output, k.shot, k.screenshot, f.calls, f.claims, f.limited)
	}
}

// unfetched names a file that has not ended, and says when its next try is due. It
// returns "" if there is none and all jobs were looked at.
func (c *checker) unfetched() (left string, wake time.Time) {
	wake = time.UnixMilli(c.number(`SELECT coalesce(min(wake_at), 0) FROM files WHERE state = 'wanted'`))
	return c.text(`SELECT coalesce((SELECT output || ' ' || shot || ' of screenshot ' || screenshot || ', ' || tries || ' tries: ' || error
			FROM files WHERE state = 'wanted' ORDER BY wake_at LIMIT 1),
		(SELECT 'jobs since event ' || place FROM readers WHERE name = 'files' AND place < (SELECT max(seq) FROM events)),
		(SELECT 'jobs from ' || looked_to FROM download_orders WHERE complete = 0 LIMIT 1), '')`), wake
}

// auditFiles checks that each done job has the files of its screenshot and no
// others, that each of them is on disk if it is saved, and that no two have the
// same name.
func (c *checker) auditFiles() {
	if !c.w.profile.files {
		return
	}
	kept := map[rowKey]fileEntry{}
	names := map[string]bool{}
	c.each(func(scan func(...any)) {
		var k rowKey
		var f fileEntry
		scan(&k.job, &k.output, &k.shot, &f.screenshot, &f.folder, &f.name, &f.state, &f.size, &f.tries)
		f.output, f.shot = k.output, k.shot
		kept[k] = f
		name := strings.ToLower(filepath.Join(f.folder, f.name))
		if f.name != "" && names[name] {
			c.w.fail("P6", "two files have the name %s", f.name)
		}
		names[name] = true
	}, `SELECT job_seq, output, shot, screenshot, folder, name, state, size, tries FROM files ORDER BY job_seq, output, shot`)
	for _, order := range c.w.operator.batches {
		folder := c.text(`SELECT coalesce((SELECT folder FROM download_orders WHERE batch_seq IN (0, (SELECT seq FROM batches WHERE id = ?)) ORDER BY batch_seq DESC LIMIT 1), '')`, order.id)
		for _, j := range c.jobs {
			if j.batch != order.id || j.state != jobs.Done {
				continue
			}
			for _, k := range order.outputs(j.seq) {
				f, found := kept[k]
				if delete(kept, k); !found || f.screenshot != j.screenshot || f.folder != folder {
					c.w.fail("P6", "%s %d of job %s is that of screenshot %q in folder %q, want %q, %q", k.output, k.shot, j.name(), f.screenshot, f.folder, j.screenshot, folder)
					continue
				}
				c.auditFile(j, f)
			}
		}
	}
	for k, f := range kept {
		// A file that is on disk stays recorded, for the next version.
		if c.jobs[k.job].state == jobs.Done || f.state != "saved" || f.name == "" {
			c.w.fail("P6", "the %s file %q of row %d, screenshot %s, belongs to no done job", f.state, f.name, k.job&0xffffffff, f.screenshot)
		}
	}
	if parts, err := filepath.Glob(filepath.Join(c.w.folders.root, "*", ".*")); err != nil || len(parts) > 0 {
		c.w.fail("P8", "incomplete files are left: %q (%v)", parts, err)
	}
}

// outputs returns the files that a done job of a batch has.
func (o *batchOrder) outputs(job int64) (keys []rowKey) {
	for shot := range max(o.shots, 1) {
		keys = append(keys, rowKey{job, jobs.OutputImage, shot + 1})
	}
	if o.pdf {
		keys = append(keys, rowKey{job, jobs.OutputPDF, 1})
	}
	return keys
}

// auditFile checks that a file ended as the vendor lets it.
func (c *checker) auditFile(j jobEntry, f fileEntry) {
	s := c.w.vendor.byID(f.screenshot)
	name := fmt.Sprintf("%s %d of screenshot %s of job %s", f.output, f.shot, f.screenshot, j.name())
	mayBeGone := s.failed || !s.outputs.vanish.IsZero()
	switch f.state {
	case "saved":
		want, _ := f.content()
		if got, err := os.ReadFile(filepath.Join(f.folder, f.name)); string(got) != want || f.size != int64(len(want)) {
			c.w.fail("P6", "%s: file %s has %q, %d bytes are recorded (%v)", name, f.name, got, f.size, err)
		}
	case "gone":
		if !mayBeGone {
			c.w.fail("P8", "%s is gone, but the vendor has it", name)
		}
	case "failed":
		if !s.outputs.broken || f.tries < fileTries {
			c.w.fail("P8", "%s has failed after %d tries, but the vendor has it", name, f.tries)
		}
	default:
		c.w.fail("P8", "%s is %s at the end", name, f.state)
	}
}
