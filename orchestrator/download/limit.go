package download

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"shotline/client"
)

// The limits of one file unless Config says otherwise. They are far above what the
// vendor makes, and keep a response without an end from filling the disk.
const (
	DefaultMaxSize = 1 << 30 // bytes
	DefaultMaxTime = 15 * time.Minute
)

// sizeError means that a file is larger than allowed. It would be so again.
type sizeError struct{ most int64 }

func (e *sizeError) Error() string {
	return fmt.Sprintf("the file is larger than %d MiB", e.most>>20)
}

// timeError means that a file took longer than allowed.
type timeError struct{ most time.Duration }

func (e *timeError) Error() string {
	return fmt.Sprintf("the file did not arrive within %v", e.most)
}

// inTime calls do with a context that ends when a file has taken too long.
func (r *runner) inTime(ctx context.Context, do func(context.Context) error) error {
	slow := &timeError{r.MaxTime}
	ctx, cancel := context.WithTimeoutCause(ctx, r.MaxTime, slow)
	defer cancel()
	err := do(ctx)
	if err != nil && errors.Is(context.Cause(ctx), slow) {
		return slow
	}
	return err
}

// whole returns the content of a body, up to the largest size that is allowed.
func (r *runner) whole(body *client.Download) (io.Reader, error) {
	if body.Length > r.MaxSize {
		return nil, &sizeError{r.MaxSize}
	}
	return &sizedReader{from: body.Body, left: r.MaxSize, most: r.MaxSize}, nil
}

// sizedReader returns a sizeError instead of more bytes than are allowed.
type sizedReader struct {
	from       io.Reader
	left, most int64
}

func (s *sizedReader) Read(p []byte) (int, error) {
	n, err := s.from.Read(p)
	if s.left -= int64(n); s.left < 0 {
		return 0, &sizeError{s.most}
	}
	return n, err
}
