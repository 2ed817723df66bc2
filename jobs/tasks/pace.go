package tasks

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

// pace makes commands that fail take as long as those that find no task. asynq
// asks for the next task again at once when Redis answers with an error, such
// as that it is full, thousands of times a second.
type pace struct {
	cut <-chan struct{} // ends all waiting
}

// ProcessHook implements redis.Hook.
func (p pace) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		// A script that Redis does not know yet is sent to it right after.
		if err != nil && !errors.Is(err, redis.Nil) && !redis.HasErrorPrefix(err, "NOSCRIPT") {
			p.wait(ctx)
		}
		return err
	}
}

// ProcessPipelineHook implements redis.Hook. asynq pipelines only its signs of
// life, which have a pace of their own.
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
