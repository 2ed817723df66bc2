package main

import (
	"context"
	"errors"
	"fmt"

	"shotline/jobs"
)

// The exit codes that scripts rely on.
const (
	exitWell   = 0 // all well
	exitFailed = 1 // it could not run: network, database, vendor key
	exitUsage  = 2 // bad usage or input
	exitFlawed = 3 // finished, but rows failed, timed out, were canceled or rejected
	exitGaveUp = 4 // gave up waiting
)

// exitError carries the code that an error ends the process with.
type exitError struct {
	code int
	err  error // nil when everything was said already
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// badUsage is an error of whoever called: wrong flags, arguments or input.
func badUsage(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

// exitCode is the one table from error to exit code.
func exitCode(err error) int {
	var exit *exitError
	switch {
	case err == nil:
		return exitWell
	case errors.As(err, &exit):
		return exit.code
	case errors.Is(err, jobs.ErrNotFound), errors.Is(err, jobs.ErrInvalid), errors.Is(err, jobs.ErrState):
		return exitUsage
	case errors.Is(err, context.DeadlineExceeded):
		return exitGaveUp
	default:
		return exitFailed
	}
}

// verdict is how a finished batch ends a command that waited for it.
func verdict(b jobs.Batch) error {
	if b.Counts.Flawed() > 0 {
		return &exitError{code: exitFlawed}
	}
	return nil
}
