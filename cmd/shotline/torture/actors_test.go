package torture

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"time"
)

// actor does one thing again and again while the faults last. Acts run beside
// those of the other actors, and a begun one is finished.
type actor struct {
	name  string
	least time.Duration // before each act
	most  time.Duration
	act   func(r *rig, random *rand.Rand)
}

// actors are all who live in the torture: a new command gets its line here.
// What an act brings about beyond what book.go expects of rows, the promises
// must be told.
var actors = []actor{
	{"submits files", 0, 2 * time.Second, submitFile},
	{"orders over HTTP", 0, 600 * time.Millisecond, order},
	{"kills imports", 300 * time.Millisecond, 8 * time.Second, killImport},
	{"looks", 50 * time.Millisecond, 600 * time.Millisecond, look},
	{"kills serves", 100 * time.Millisecond, 1200 * time.Millisecond, killServe},
	{"starts a second serve", 200 * time.Millisecond, 2 * time.Second, startSecond},
	{"reconciles", 100 * time.Millisecond, 2 * time.Second, reconcile},
	{"cancels and retries", 20 * time.Millisecond, 400 * time.Millisecond, handle},
	{"kills redis", 2 * time.Second, 6 * time.Second, killRedis},
	{"flushes redis", time.Second, 5 * time.Second, flushRedis},
	{"pauses redis", time.Second, 6 * time.Second, pauseRedis},
}

// live lets the actors act until so many serves have been killed, or something has
// gone wrong that makes more of it pointless.
func (r *rig) live(kills int) {
	var living sync.WaitGroup
	for _, a := range actors {
		h := fnv.New64a()
		_, _ = io.WriteString(h, a.name)
		random := rand.New(rand.NewPCG(uint64(r.seed), h.Sum64()))
		living.Go(func() {
			// Everybody has acted once soon, however short the run.
			for more := pause(r.living, random, 0, time.Second); more; more = pause(r.living, random, a.least, a.most) {
				a.act(r, random)
				r.mu.Lock()
				enough := r.figures.kills >= kills
				r.mu.Unlock()
				if enough {
					r.endLiving()
				}
			}
		})
	}
	living.Wait()
}

// pause takes a random time; false when ctx ends first.
func pause(ctx context.Context, random *rand.Rand, least, most time.Duration) bool {
	timer := time.NewTimer(least + time.Duration(random.Int64N(int64(most-least))))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func submitFile(r *rig, random *rand.Rand) {
	file := r.book.write(random, 10+random.IntN(90))
	out, _, err := r.shotline(file.whole(), "submit", "-", "--tag", file.tag, "--json")
	var accepted struct {
		ID   string `json:"batch_id"`
		Rows int    `json:"rows"`
	}
	if err == nil {
		err = json.Unmarshal([]byte(out), &accepted)
	}
	if err != nil || accepted.Rows != len(file.rows) {
		r.violates("submit accepts", subject{}, "%s with %d rows: %d were taken, %v", file.tag, len(file.rows), accepted.Rows, err)
		return
	}
	r.book.knows(file, accepted.ID)
}

// killImport kills a submit that has read half of its rows. The rows are as
// many as two transactions of an import take.
func killImport(r *rig, random *rand.Rand) {
	file := r.book.write(random, 3500)
	file.broken = true
	from, into := io.Pipe()
	name := "import-" + file.tag
	p, err := r.start(name, from, nil, r.binary, "submit", "-", "--tag", file.tag)
	if err != nil {
		r.breaks("%v", err)
		return
	}
	if _, err := io.WriteString(into, file.csv(0, 1500+random.IntN(1900))); err != nil {
		r.breaks("%v", err)
	}
	r.awaitRows(p, file.tag)
	p.asked.Store(true)
	_ = p.cmd.Process.Kill()
	into.Close() // or the copying would wait for more
	p.kill()
}

// awaitRows polls until an import has kept rows, or has ended; a time without end
// would hide a hang.
func (r *rig) awaitRows(importing *process, tag string) {
	for range 3000 {
		rows, err := r.rowsOfTag(tag)
		if err != nil {
			r.breaks("%v", err)
		}
		if err != nil || rows > 0 || !importing.running() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	r.breaks("an import kept no rows within 30 s")
}

// look asks for the state of a batch, in one of the ways there are.
func look(r *rig, random *rand.Rand) {
	id, rows := r.book.any(random)
	if id == "" {
		return
	}
	r.count(func(f *figures) { f.looks++ })
	var err error
	switch random.IntN(4) {
	case 0:
		_, _, err = r.status(id)
	case 1:
		var records [][]string
		if records, err = r.results(id); err == nil && len(records) != rows+1 {
			r.violates("P6", subject{batch: id}, "results have %d lines for %d rows", len(records), rows)
		}
	case 2:
		_, _, err = r.shotline(nil, "list", "--json")
	default:
		var code int
		if _, code, err = r.shotline(nil, "wait", id, "--timeout", "300ms"); code == 3 || code == 4 {
			err = nil // flawed rows, or not yet
		}
	}
	if err != nil {
		r.violates("commands work", subject{batch: id}, "%v", err)
	}
}

// status is what `status --json` says: all of it, and the counts in it.
func (r *rig) status(id string) (all map[string]any, counts map[string]int, err error) {
	out, _, err := r.shotline(nil, "status", id, "--json")
	if err != nil {
		return nil, nil, err
	}
	if err := json.Unmarshal([]byte(out), &all); err != nil {
		return nil, nil, err
	}
	counts = map[string]int{}
	sum := 0
	for _, state := range states {
		n, _ := all[state].(float64)
		if counts[state] = int(n); n == 0 {
			delete(counts, state)
		}
		sum += int(n)
	}
	if rows, _ := all["rows"].(float64); sum != int(rows) {
		r.violates("P6", subject{batch: id}, "the counts of status add up to %d of %v rows", sum, rows)
	}
	return all, counts, nil
}

func (r *rig) results(id string) ([][]string, error) {
	out, _, err := r.shotline(nil, "results", id)
	if err != nil {
		return nil, err
	}
	return csv.NewReader(strings.NewReader(out)).ReadAll()
}

// killServe kills one of the serves, or both at once, at any moment or at one
// that hurts, and fills the first slot again after a while. It sleeps to choose
// those moments, not to wait for anything.
func killServe(r *rig, random *rand.Rand) {
	victims := r.slots[:]
	if first := random.IntN(4); first < 3 {
		victims = r.slots[first%2 : first%2+1]
	}
	switch random.IntN(4) {
	case 0: // perhaps while it opens the database
	case 1:
		r.gate.posted.wait(time.Second)
	default:
		r.vendor.created.wait(time.Second)
	}
	time.Sleep(time.Duration(random.IntN(5000)) * time.Microsecond)
	for _, victim := range victims {
		r.killServe(victim)
	}
	time.Sleep(time.Duration(random.IntN(300)) * time.Millisecond)
	if !r.slots[0].runs() {
		r.startServe(r.slots[0], false)
	}
}

// startSecond lets a second serve work on the same file, at times with a queue
// of its own.
func startSecond(r *rig, random *rand.Rand) {
	if second := r.slots[1]; !second.runs() {
		r.startServe(second, random.IntN(3) == 0)
	}
}

func killRedis(r *rig, random *rand.Rand) {
	r.count(func(f *figures) { f.redisKills++ })
	r.redis.restart(time.Duration(random.IntN(700)) * time.Millisecond)
}

func flushRedis(r *rig, _ *rand.Rand) {
	r.count(func(f *figures) { f.redisFlushes++ })
	r.redis.flush()
}

func pauseRedis(r *rig, random *rand.Rand) {
	r.count(func(f *figures) { f.redisPauses++ })
	r.redis.pause(time.Duration(200+random.IntN(1500)) * time.Millisecond)
}
