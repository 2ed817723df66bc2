package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/urfave/cli/v2"
)

// signalContext returns a context that is canceled on SIGINT, SIGTERM or SIGHUP,
// the handler of SIGHUP, and a function that restores the default handling. The
// first SIGINT or SIGTERM also restores it, so that a second one ends the process
// immediately. SIGHUP does not, because a terminal that closes sends several. If
// SIGHUP is already ignored, as under nohup, it stays ignored.
func signalContext() (context.Context, *hangups, func()) {
	terminated, restore := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(terminated, restore)
	ctx, cancel := context.WithCancel(terminated)
	h := &hangups{end: cancel}
	if signal.Ignored(syscall.SIGHUP) {
		return ctx, h, restore
	}
	received := make(chan os.Signal, 1)
	signal.Notify(received, syscall.SIGHUP)
	go func() {
		for range received { // until the process exits
			h.handle()
		}
	}()
	return ctx, h, restore
}

// hangups is the handler of SIGHUP.
type hangups struct {
	end context.CancelFunc

	mu      sync.Mutex
	instead func() // if nil, call end
}

func (h *hangups) handle() {
	h.mu.Lock()
	instead := h.instead
	h.mu.Unlock()
	if instead == nil {
		h.end()
		return
	}
	instead()
}

// hangupsKey is the key of the hangups in the application's metadata.
const hangupsKey = "hangups"

// surviveHangups makes a command without a terminal ignore SIGHUP, which asks
// daemons to reload their settings. In a terminal, SIGHUP still ends the command,
// because it means that the terminal was closed.
func surviveHangups(c *cli.Context, log *slog.Logger) {
	h, ok := c.App.Metadata[hangupsKey].(*hangups)
	if !ok || h == nil || isTerminal(c.App.ErrWriter) || isTerminalInput(c.App.Reader) {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.instead = func() {
		log.Warn("SIGHUP received and ignored: settings are read only at the start; SIGTERM stops the process")
	}
}
