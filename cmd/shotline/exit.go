package main

import (
	"context"
	"errors"
	"fmt"

	"shotline/jobs"
)

// Exit codes. Scripts rely on them.
const (
	exitOK     = 0 // success
	exitFailed = 1 // could not run: network, database, vendor key
	exitUsage  = 2 // bad usage or input
	exitFlawed = 3 // finished, but rows failed, timed out, were canceled or rejected, or compared batches differ
	exitGaveUp = 4 // gave up waiting
)

// exitError is an error with an exit code.
type exitError struct {
	code int
	err  error // nil if there is nothing to print
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// badUsage returns an error for wrong flags, arguments or input.
func badUsage(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

// exitCode returns the exit code for an error. It is the only such table.
func exitCode(err error) int {
	var exit *exitError
	switch {
	case err == nil:
		return exitOK
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

// batchResult returns the error for the exit code of a command that waited for
// the batch, or nil if all its rows are done.
func batchResult(b jobs.Batch) error {
	if b.Counts.Flawed() > 0 {
		return &exitError{code: exitFlawed}
	}
	return nil
}
