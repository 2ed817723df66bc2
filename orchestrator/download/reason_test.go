package download

import (
	"context"
	"errors"
	"io/fs"
	"testing"

	"shotline/client"
	"shotline/jobs"
	"shotline/jobs/artifact"
)

func TestReasons(t *testing.T) {
	t.Parallel()
	seen := map[Reason]bool{}
	for _, test := range []struct {
		err  error
		want Reason
	}{
		{client.ErrNotFound, ReasonNotFound},
		{&client.NotReadyError{API: &client.APIError{}}, ReasonNotFound},
		{&client.RateLimitError{API: &client.APIError{}}, ReasonRate},
		{&client.APIError{Status: 500}, ReasonRefused},
		{&artifact.ContentError{}, ReasonContent},
		{&sizeError{1 << 30}, ReasonSize},
		{&artifact.DiskError{Err: fs.ErrInvalid}, ReasonDisk},
		{jobs.ErrNoRoom, ReasonDisk},
		{errors.New("connection reset"), ReasonNoAnswer},
		{context.DeadlineExceeded, ReasonNoAnswer},
	} {
		seen[test.want] = true
		if got := reasonOf(test.err); got != test.want {
			t.Errorf("reason of %v: %s, want %s", test.err, got, test.want)
		}
	}
	for _, reason := range Reasons {
		if !seen[reason] {
			t.Errorf("no error has the reason %s", reason)
		}
	}
}
