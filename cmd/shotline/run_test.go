package main

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"shotline/client/sandbox"
	"shotline/client/sandbox/pages"
)

// TestRunPaysForItsOwnBatchOnly checks that run does not work on batches of
// earlier commands unless --batch selects them.
func TestRunPaysForItsOwnBatchOnly(t *testing.T) {
	if testing.Short() {
		t.Skip("runs seven batches with each kind of queue")
	}
	t.Parallel()
	redis := newRedisServer(t)
	for name, flags := range map[string][]string{
		"embedded queue": nil,
		"redis":          {"--redis-url", "redis://" + redis.address},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			vendor, err := startSandbox(sandbox.Config{APIKey: testKey, Renderer: &sandbox.PlainRenderer{Fail: pages.Fail}}, "127.0.0.1:0", slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = vendor.stop() })
			db := filepath.Join(t.TempDir(), "shotline.db")
			paid := 0
			do := func(more int, wantErr string, args ...string) (stderr string) {
				t.Helper()
				code, _, stderr := invoke(t, append(args, "--db", db)...)
				if code != exitOK || !strings.Contains(stderr, wantErr) {
					t.Fatalf("%v: exit code %d, stderr %q, want %q", args, code, stderr, wantErr)
				}
				paid += more
				if got := len(vendor.Ledger().Creates); got != paid {
					t.Fatalf("after %v: got %d paid creates, want %d", args, got, paid)
				}
				return stderr
			}
			run := func(more int, wantErr string, args ...string) string {
				t.Helper()
				return do(more, wantErr, append(append([]string{"run", "--poll", "--timeout", "60s",
					"--api-key", testKey, "--base-url", vendor.url + "/api/v1"}, flags...), args...)...)
			}
			urls := func(n int, about string) (args []string) {
				for i := range n {
					args = append(args, fmt.Sprintf("https://journal.shotline.test/%s/%d", about, i))
				}
				return args
			}
			submitOnly := func(about string) string {
				t.Helper()
				do(0, "", append([]string{"submit"}, urls(3, about)...)...)
				_, stdout, _ := invoke(t, "list", "--json", "--db", db)
				_, rest, _ := strings.Cut(stdout, `"batch_id":"`)
				id, _, _ := strings.Cut(rest, `"`)
				return id
			}
			first := submitOnly("first")
			run(2, "batch "+first+" is waiting (3 rows): to continue, run `shotline run --batch "+first+" --db "+db+"`\n", urls(2, "own")...)
			second := submitOnly("second")
			run(1, "2 other batches are waiting (6 rows): to continue, run `shotline run --batch all --db "+db+"`\n", urls(1, "own")...)
			run(5, "batch "+second+" is waiting (3 rows)", append(urls(2, "too"), "--batch", first)...)
			submitOnly("third")
			if stderr := run(7, "", append(urls(1, "all"), "--batch", "all")...); strings.Contains(stderr, "wait") {
				t.Errorf("no batch waits, but stderr is %q", stderr)
			}
			submitOnly("fourth")
			run(3, "", "--batch", "all")
			run(0, "", "--batch", second) // the batch has ended: only its summary is stdout
			if flags == nil {
				return
			}
			keys, err := redis.admin.Keys(context.Background(), "asynq:{shotline-????????????-*").Result() // without the shared queues
			for _, key := range keys {
				if strings.Contains(key, "}:t:") || strings.HasSuffix(key, ":scheduled") || strings.HasSuffix(key, ":pending") {
					t.Errorf("the queue of a finished run still exists: %s", key)
				}
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
}
