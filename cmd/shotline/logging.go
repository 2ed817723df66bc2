package main

import (
	"log/slog"

	"github.com/urfave/cli/v2"
)

// newLogger returns a logger that writes text to a terminal, and JSON otherwise.
// The level applies unless --log-level is set.
func newLogger(c *cli.Context, level slog.Level) (*slog.Logger, error) {
	if name := c.String(logFlag.Name); name != "" {
		if err := level.UnmarshalText([]byte(name)); err != nil {
			return nil, badUsage("--log-level %q: want debug, info, warn or error", name)
		}
	}
	options := &slog.HandlerOptions{Level: level}
	if isTerminal(c.App.ErrWriter) {
		return slog.New(slog.NewTextHandler(c.App.ErrWriter, options)), nil
	}
	return slog.New(slog.NewJSONHandler(c.App.ErrWriter, options)), nil
}
