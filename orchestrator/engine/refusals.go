package engine

import (
	"context"
	"sync"
	"time"

	"shotline/receiver"
)

// refusalPause is the time between two groups of refused webhooks that are written
// to the store.
const refusalPause = 2 * time.Second

// refusalLoop writes refused webhooks to the store.
type refusalLoop struct {
	cancel context.CancelFunc
	ended  sync.WaitGroup
}

// start starts the loop. A webhook that cannot be recorded is in the log and in the
// metrics nevertheless, so errors are not reported.
func (l *refusalLoop) start(from *receiver.Receiver, to receiver.RefusalStore) {
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel = cancel
	l.ended.Go(func() {
		for clock.Sleep(ctx, refusalPause) == nil {
			_ = from.KeepRefusals(ctx, to)
		}
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = from.KeepRefusals(last, to)
	})
}

// stop writes the last group and ends the loop. It does nothing if the loop was not
// started.
func (l *refusalLoop) stop() {
	if l.cancel != nil {
		l.cancel()
	}
	l.ended.Wait()
}
