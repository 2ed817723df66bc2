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

// actor repeats an action while the faults last. The actions of different actors
// run at the same time. An action that has begun is always finished.
type actor struct {
	name     string
	minPause time.Duration // shortest pause before each action
	maxPause time.Duration
	act      func(r *rig, random *rand.Rand)
}

// actors are all actors of the test. To test a new command, add a line. If an
// action changes the state of jobs in a way that inputs_test.go does not expect,
// the checks must know about it.
var actors = []actor{
	{"submits files", 0, 2 * time.Second, submitFile},
	{"orders over HTTP", 0, 600 * time.Millisecond, order},
	{"kills imports", 300 * time.Millisecond, 8 * time.Second, killImport},
	{"looks", 50 * time.Millisecond, 600 * time.Millisecond, queryBatch},
	{"kills serves", 100 * time.Millisecond, 1200 * time.Millisecond, killServe},
	{"starts a second serve", 200 * time.Millisecond, 2 * time.Second, startSecond},
	{"reconciles", 100 * time.Millisecond, 2 * time.Second, reconcile},
	{"cancels and retries", 20 * time.Millisecond, 400 * time.Millisecond, cancelOrRetry},
	{"kills redis", 2 * time.Second, 6 * time.Second, killRedis},
	{"flushes redis", time.Second, 5 * time.Second, flushRedis},
	{"pauses redis", time.Second, 6 * time.Second, pauseRedis},
}

// runActors runs the actors until the given number of serves has been killed, or
// until a failure makes it pointless to continue.
func (r *rig) runActors(kills int) {
	var acting sync.WaitGroup
	for _, a := range actors {
		h := fnv.New64a()
		_, _ = io.WriteString(h, a.name)
		random := rand.New(rand.NewPCG(uint64(r.seed), h.Sum64()))
		acting.Go(func() {
			// Each actor acts at least once soon, however short the run is.
			for more := pause(r.faultCtx, random, 0, time.Second); more; more = pause(r.faultCtx, random, a.minPause, a.maxPause) {
				a.act(r, random)
				r.mu.Lock()
				enough := r.figures.kills >= kills
				r.mu.Unlock()
				if enough {
					r.cancelFaults()
				}
			}
		})
	}
	acting.Wait()
}

// pause waits for a random time. It returns false if ctx ends first.
func pause(ctx context.Context, random *rand.Rand, minPause, maxPause time.Duration) bool {
	timer := time.NewTimer(minPause + time.Duration(random.Int64N(int64(maxPause-minPause))))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func submitFile(r *rig, random *rand.Rand) {
	file := r.inputs.generate(random, 10+random.IntN(90))
	out, _, err := r.shotline(file.whole(), "submit", "-", "--tag", file.tag, "--json")
	var accepted struct {
		ID   string `json:"batch_id"`
		Rows int    `json:"rows"`
	}
	if err == nil {
		err = json.Unmarshal([]byte(out), &accepted)
	}
	if err != nil || accepted.Rows != len(file.rows) {
		r.violated("submit accepts", ref{}, "%s with %d rows: got %d rows, %v", file.tag, len(file.rows), accepted.Rows, err)
		return
	}
	r.inputs.accepted(file, accepted.ID)
}

// killImport kills a submit while it stores its rows. The file has enough rows for
// many transactions of an import.
func killImport(r *rig, random *rand.Rand) {
	file := r.inputs.generate(random, 30_000)
	file.killed = true
	name := "import-" + file.tag
	p, err := r.start(name, file.whole(), nil, r.binary, "submit", "-", "--tag", file.tag)
	if err != nil {
		r.fail("%v", err)
		return
	}
	r.awaitRows(p, file.tag)
	p.stopped.Store(true)
	p.kill()
}

// awaitRows waits until an import has stored rows or has ended. It fails after 30
// seconds, because waiting forever would hide a hang.
func (r *rig) awaitRows(importing *process, tag string) {
	for range 3000 {
		rows, err := r.rowsOfTag(tag)
		if err != nil {
			r.fail("%v", err)
		}
		if err != nil || rows > 0 || !importing.running() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	r.fail("an import stored no rows within 30 s")
}

// queryBatch queries the state of a batch with a random command.
func queryBatch(r *rig, random *rand.Rand) {
	id, rows := r.inputs.any(random)
	if id == "" {
		return
	}
	r.count(func(f *figures) { f.queries++ })
	var err error
	switch random.IntN(4) {
	case 0:
		_, _, err = r.status(id)
	case 1:
		var records [][]string
		if records, err = r.results(id); err == nil && len(records) != rows+1 {
			r.violated("P6", ref{batch: id}, "results have %d lines, want %d rows and a header", len(records), rows)
		}
	case 2:
		_, _, err = r.shotline(nil, "list", "--json")
	default:
		var code int
		if _, code, err = r.shotline(nil, "wait", id, "--timeout", "300ms"); code == 3 || code == 4 {
			err = nil // rows without an image, or a timeout
		}
	}
	if err != nil {
		r.violated("commands work", ref{batch: id}, "%v", err)
	}
}

// status returns the output of `status --json`, and the counts by state in it.
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
		r.violated("P6", ref{batch: id}, "the counts of status add up to %d, want %v rows", sum, rows)
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

// killServe kills one or both serves, either at a random moment or shortly after
// a webhook or a create. Then it restarts the first one after a while. The sleeps
// choose these moments; they do not wait for anything.
func killServe(r *rig, random *rand.Rand) {
	victims := r.slots[:]
	if first := random.IntN(4); first < 3 {
		victims = r.slots[first%2 : first%2+1]
	}
	switch random.IntN(4) {
	case 0: // possibly while it opens the database
	case 1:
		r.proxy.posted.wait(time.Second)
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

// startSecond starts a second serve on the same database, sometimes with its own
// queue.
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
