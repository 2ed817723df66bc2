package tasks

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// Depth is how much is in one of the queues.
type Depth struct {
	Queue  string           // tasks or callbacks
	Tasks  map[string]int64 // by state: pending, active, scheduled, retry, archived
	Oldest time.Duration    // for how long the pending task has been waiting that waits the longest; 0 without one
}

// states are those of tasks, in the order of measure's keys. None is kept when
// it has been done.
var states = []string{"pending", "active", "scheduled", "retry", "archived"}

// measure counts the tasks of a queue by state, and finds when its oldest pending
// one came. asynq's Inspector would count as well, but heeds no context and
// samples memory with a command that a managed Redis may refuse.
var measure = redis.NewScript(`
local found = {}
for i, key in ipairs(KEYS) do
	found[i] = redis.call(i <= 2 and "LLEN" or "ZCARD", key)
end
local oldest = redis.call("LINDEX", KEYS[1], -1)
found[#KEYS + 1] = oldest and redis.call("HGET", ARGV[1] .. oldest, "pending_since") or ""
return found`)

// Depths tells how much is in the queues, within a second. The error wraps
// [ErrUnavailable].
func (q *Queue) Depths(ctx context.Context) ([]Depth, error) {
	s := q.current()
	if s == nil {
		return nil, fmt.Errorf("measure %s: %w", q.Describe(), q.away())
	}
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	depths := []Depth{{Queue: "tasks"}, {Queue: "callbacks"}}
	for i, name := range q.queues() {
		if err := depths[i].read(ctx, s.redis, name); err != nil {
			return nil, fmt.Errorf("measure %s: %w: %w", q.Describe(), ErrUnavailable, err)
		}
	}
	return depths, nil
}

// Lag returns how long the oldest task of batches that waits for a worker has
// waited, as [Queue.Depths] measures it.
func (q *Queue) Lag(ctx context.Context) (time.Duration, error) {
	depths, err := q.Depths(ctx)
	if err != nil {
		return 0, err
	}
	return depths[0].Oldest, nil
}

// read measures the queue that has this name in Redis.
func (d *Depth) read(ctx context.Context, from redis.Scripter, name string) error {
	prefix := queueKey(name, "")
	keys := make([]string, len(states))
	for i, state := range states {
		keys[i] = prefix + state
	}
	found, err := measure.Run(ctx, from, keys, prefix+"t:").Slice()
	if err != nil {
		return err
	}
	if len(found) != len(states)+1 {
		return fmt.Errorf("%d figures of queue %s", len(found), name)
	}
	d.Tasks = make(map[string]int64, len(states))
	for i, state := range states {
		d.Tasks[state], _ = found[i].(int64) // as LLEN and ZCARD answer
	}
	since, _ := found[len(states)].(string)
	if nanos, err := strconv.ParseInt(since, 10, 64); err == nil {
		d.Oldest = max(0, time.Since(time.Unix(0, nanos)))
	}
	return nil
}
