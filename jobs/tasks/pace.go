package tasks

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

// pace delays failing commands, so that they take as long as commands that find
// no task. If Redis returns an error, such as that it is full, asynq requests the
// next task immediately, thousands of times a second.
type pace struct {
	cut <-chan struct{} // ends all waits
}

// ProcessHook implements redis.Hook.
func (p pace) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		// If Redis does not know a script, go-redis sends it immediately afterwards.
		if err != nil && !errors.Is(err, redis.Nil) && !redis.HasErrorPrefix(err, "NOSCRIPT") {
			p.wait(ctx)
		}
		return err
	}
}

// ProcessPipelineHook implements redis.Hook. asynq uses pipelines only for
// heartbeats, which have their own interval.
func (pace) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// DialHook implements redis.Hook.
func (pace) DialHook(next redis.DialHook) redis.DialHook { return next }

func (p pace) wait(ctx context.Context) {
	timer := time.NewTimer(taskCheckEvery)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	case <-p.cut:
	}
}
