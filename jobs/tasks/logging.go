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

// asynqLog forwards asynq's messages to slog. asynq logs many errors during a
// Redis outage, so only one in ten seconds is forwarded.
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

// silenceRedis turns off the logger of go-redis for the whole process. It writes
// to stderr, and callers get the same information as errors.
var silenceRedis = sync.OnceFunc(func() { redis.SetLogger(noLog{}) })

type noLog struct{}

func (noLog) Printf(context.Context, string, ...any) {}
