package sqlite

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"shotline/jobs"
)

// Variables of a child process that appends deliveries: the number of deliveries,
// the file of the database, and a file that it creates before the last append to
// make the disk fail. If an append fails, the process exits without closing the
// store.
const (
	appendsVariable = "SHOTLINE_TEST_APPENDS"
	fileVariable    = "SHOTLINE_TEST_FILE"
	faultVariable   = "SHOTLINE_TEST_FAULT"
)

// appendOneByOne is the main function of that process. Each append waits for the
// previous one.
func appendOneByOne(appends string) error {
	n, err := strconv.Atoi(appends)
	if err != nil {
		return err
	}
	s, err := Open(context.Background(), os.Getenv(fileVariable))
	if err != nil {
		return err
	}
	for i := range n {
		delivery := jobs.Delivery{ReceivedAt: time.Now(), Event: "screenshot.finished", ScreenshotID: fmt.Sprint(i), Outcome: jobs.OutcomeDone}
		if fault := os.Getenv(faultVariable); fault != "" && i == n-1 {
			if err := os.WriteFile(fault, nil, 0o600); err != nil {
				return err
			}
		}
		if _, err := s.AppendDelivery(context.Background(), delivery); err != nil {
			return err
		}
	}
	return s.Close()
}

// TestAppendsAreSynced counts system calls. Each delivery for which
// AppendDelivery returned must have had its own sync.
func TestAppendsAreSynced(t *testing.T) {
	t.Parallel()
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("needs strace, see .ci/deps")
	}
	syncs := func(appends int) int {
		folder := t.TempDir()
		calls := filepath.Join(folder, "calls")
		child := exec.CommandContext(t.Context(), strace, "-f", "-qq", "-e", "trace=fsync,fdatasync", "-o", calls, os.Args[0])
		child.Env = append(os.Environ(), appendsVariable+"="+strconv.Itoa(appends), fileVariable+"="+filepath.Join(folder, "synced.db"))
		if out, err := child.CombinedOutput(); err != nil {
			t.Fatalf("%d appends: %v\n%s", appends, err, out)
		}
		text, err := os.ReadFile(calls)
		must(t, err)
		return bytes.Count(text, []byte("fsync(")) + bytes.Count(text, []byte("fdatasync("))
	}
	const appends = 40
	others := syncs(0)
	if got := syncs(appends) - others; got < appends {
		t.Errorf("%d sequential appends caused %d syncs", appends, got)
	}
}
