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

// TestRunPaysForItsOwnBatchOnly: what an earlier command left in the database
// costs nothing until somebody asks for it.
func TestRunPaysForItsOwnBatchOnly(t *testing.T) {
	t.Parallel()
	redis := newRedisServer(t)
	for name, flags := range map[string][]string{
		"embedded queue": nil,
		"redis":          {"--redis-url", "redis://" + redis.address},
	} {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && flags != nil {
				t.Skip("the embedded queue shows the same")
			}
			vendor, err := startSandbox(sandbox.Config{APIKey: testKey, Renderer: &sandbox.PlainRenderer{Fail: pages.Fail}}, "127.0.0.1:0", slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = vendor.stop() })
			db := filepath.Join(t.TempDir(), "shotline.db")
			paid := 0
			do := func(more int, tells string, args ...string) (told string) {
				t.Helper()
				code, _, told := invoke(t, append(args, "--db", db)...)
				if code != exitOK || !strings.Contains(told, tells) {
					t.Fatalf("%v ended with %d and told %q, want %q", args, code, told, tells)
				}
				paid += more
				if got := len(vendor.Ledger().Creates); got != paid {
					t.Fatalf("after %v %d creates were paid for, want %d", args, got, paid)
				}
				return told
			}
			run := func(more int, tells string, args ...string) string {
				t.Helper()
				return do(more, tells, append(append([]string{"run", "--poll", "--timeout", "60s",
					"--api-key", testKey, "--base-url", vendor.url + "/api/v1"}, flags...), args...)...)
			}
			urls := func(n int, about string) (args []string) {
				for i := range n {
					args = append(args, fmt.Sprintf("https://journal.shotline.test/%s/%d", about, i))
				}
				return args
			}
			left := func(about string) string {
				t.Helper()
				do(0, "", append([]string{"submit"}, urls(3, about)...)...)
				_, printed, _ := invoke(t, "list", "--json", "--db", db)
				_, rest, _ := strings.Cut(printed, `"batch_id":"`)
				id, _, _ := strings.Cut(rest, `"`)
				return id
			}
			first := left("first")
			run(2, "batch "+first+" is waiting (3 rows): to continue, run `shotline run --batch "+first+" --db "+db+"`\n", urls(2, "own")...)
			second := left("second")
			run(1, "2 other batches are waiting (6 rows): to continue, run `shotline run --batch all --db "+db+"`\n", urls(1, "own")...)
			run(5, "batch "+second+" is waiting (3 rows)", append(urls(2, "too"), "--batch", first)...)
			left("third")
			if told := run(7, "", append(urls(1, "all"), "--batch", "all")...); strings.Contains(told, "wait") {
				t.Errorf("told %q although no batch waits", told)
			}
			left("fourth")
			run(3, "", "--batch", "all")
			run(0, "", "--batch", second) // it has ended: only its summary is printed
			if flags == nil {
				return
			}
			keys, err := redis.admin.Keys(context.Background(), "asynq:{shotline-????????????-*").Result() // beside the shared one
			for _, key := range keys {
				if strings.Contains(key, "}:t:") || strings.HasSuffix(key, ":scheduled") || strings.HasSuffix(key, ":pending") {
					t.Errorf("the queue of a run that has ended is still there: %s", key)
				}
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
}
