//go:build unix

package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// onStateSignal calls show at each SIGUSR1 until ctx ends. The function that it
// returns waits for the end.
func onStateSignal(ctx context.Context, show func()) (wait func()) {
	received := make(chan os.Signal, 1)
	signal.Notify(received, syscall.SIGUSR1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer signal.Stop(received)
		for {
			select {
			case <-ctx.Done():
				return
			case <-received:
				show()
			}
		}
	}()
	return func() { <-ended }
}
