package tasks

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/time/rate"
)

// asynqLog hands asynq's messages to slog. Its errors are about Redis, come in
// floods while Redis is away, and are worth one line in a while.
type asynqLog struct {
	log    *slog.Logger
	errors *rate.Sometimes
}

func newAsynqLog(log *slog.Logger) asynqLog {
	return asynqLog{log: log.With("from", "asynq"), errors: &rate.Sometimes{First: 1, Interval: 10 * time.Second}}
}

func (l asynqLog) Debug(args ...any) { l.log.Debug(fmt.Sprint(args...)) }
func (l asynqLog) Info(args ...any)  { l.log.Debug(fmt.Sprint(args...)) }
func (l asynqLog) Warn(args ...any)  { l.log.Debug(fmt.Sprint(args...)) }
func (l asynqLog) Error(args ...any) { l.errors.Do(func() { l.log.Warn(fmt.Sprint(args...)) }) }
func (l asynqLog) Fatal(args ...any) { l.log.Error(fmt.Sprint(args...)) }

// silenceRedis turns off go-redis's logger, which writes to stderr, for the
// whole process, what its callers get as errors anyway.
var silenceRedis = sync.OnceFunc(func() { redis.SetLogger(noLog{}) })

type noLog struct{}

func (noLog) Printf(context.Context, string, ...any) {}
