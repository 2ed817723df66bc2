package tasks

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// Depth describes the tasks in one of the queues.
type Depth struct {
	Queue  string           // tasks or callbacks
	Tasks  map[string]int64 // number of tasks by state: pending, active, scheduled, retry, archived
	Oldest time.Duration    // how long the oldest pending task has been waiting; 0 if there is none
}

// states are the states of tasks, in the order of the keys of depthScript. Tasks
// are not kept after they have been done.
var states = []string{"pending", "active", "scheduled", "retry", "archived"}

// depthScript counts the tasks of a queue by state and returns when its oldest
// pending task was enqueued. It is used instead of asynq's Inspector, which does
// not support contexts and samples memory with a command that a managed Redis
// might refuse.
var depthScript = redis.NewScript(`
local found = {}
for i, key in ipairs(KEYS) do
	found[i] = redis.call(i <= 2 and "LLEN" or "ZCARD", key)
end
local oldest = redis.call("LINDEX", KEYS[1], -1)
found[#KEYS + 1] = oldest and redis.call("HGET", ARGV[1] .. oldest, "pending_since") or ""
return found`)

// Depths returns the depths of the queues, within a second. The error wraps
// [ErrUnavailable].
func (q *Queue) Depths(ctx context.Context) ([]Depth, error) {
	s := q.current()
	if s == nil {
		return nil, fmt.Errorf("measure %s: %w", q.Describe(), q.unavailable())
	}
	ctx, cancel := context.WithTimeout(ctx, responseTimeout)
	defer cancel()
	depths := []Depth{{Queue: "tasks"}, {Queue: "callbacks"}}
	for i, name := range q.queues() {
		if err := depths[i].read(ctx, s.redis, name); err != nil {
			return nil, fmt.Errorf("measure %s: %w: %w", q.Describe(), ErrUnavailable, err)
		}
	}
	return depths, nil
}

// Lag returns how long the oldest pending task other than callbacks has been
// waiting, as reported by [Queue.Depths].
func (q *Queue) Lag(ctx context.Context) (time.Duration, error) {
	depths, err := q.Depths(ctx)
	if err != nil {
		return 0, err
	}
	return depths[0].Oldest, nil
}

// read measures the queue with the given name in Redis.
func (d *Depth) read(ctx context.Context, from redis.Scripter, name string) error {
	prefix := queueKey(name, "")
	keys := make([]string, len(states))
	for i, state := range states {
		keys[i] = prefix + state
	}
	found, err := depthScript.Run(ctx, from, keys, prefix+"t:").Slice()
	if err != nil {
		return err
	}
	if len(found) != len(states)+1 {
		return fmt.Errorf("got %d values for queue %s", len(found), name)
	}
	d.Tasks = make(map[string]int64, len(states))
	for i, state := range states {
		d.Tasks[state], _ = found[i].(int64) // LLEN and ZCARD return integers
	}
	since, _ := found[len(states)].(string)
	if nanos, err := strconv.ParseInt(since, 10, 64); err == nil {
		d.Oldest = max(0, time.Since(time.Unix(0, nanos)))
	}
	return nil
}
