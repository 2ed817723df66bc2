//go:build !unix

package main

import "context"

// onStateSignal does nothing: this system has no SIGUSR1.
func onStateSignal(context.Context, func()) (wait func()) { return func() {} }
