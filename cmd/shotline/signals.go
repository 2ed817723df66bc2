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

// endBySignal returns a context that ends with SIGINT, SIGTERM or SIGHUP, and what
// was registered for it. After a SIGINT or SIGTERM the default comes back, so that
// a second one ends the process at once. A SIGHUP never does: a terminal that
// closes sends several. If SIGHUP is ignored already, as nohup has it, it stays
// ignored.
func endBySignal() (context.Context, *hangups, func()) {
	asked, restore := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(asked, restore)
	ctx, cancel := context.WithCancel(asked)
	h := &hangups{end: cancel}
	if signal.Ignored(syscall.SIGHUP) {
		return ctx, h, restore
	}
	heard := make(chan os.Signal, 1)
	signal.Notify(heard, syscall.SIGHUP)
	go func() {
		for range heard { // for as long as the process runs
			h.happened()
		}
	}()
	return ctx, h, restore
}

// hangups says what a SIGHUP does.
type hangups struct {
	end context.CancelFunc

	mu      sync.Mutex
	instead func() // nil: end
}

func (h *hangups) happened() {
	h.mu.Lock()
	instead := h.instead
	h.mu.Unlock()
	if instead == nil {
		h.end()
		return
	}
	instead()
}

// hangupsKey is where the application's metadata holds the hangups.
const hangupsKey = "hangups"

// surviveHangups lets a command without a terminal go on after a SIGHUP, which
// only asks daemons to read their settings again. In a terminal it still means
// that the terminal is gone.
func surviveHangups(c *cli.Context, log *slog.Logger) {
	h, heard := c.App.Metadata[hangupsKey].(*hangups)
	if !heard || h == nil || isTerminal(c.App.ErrWriter) || isTerminalInput(c.App.Reader) {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.instead = func() {
		log.Warn("SIGHUP received and ignored: settings are read only at the start; SIGTERM stops the process")
	}
}
