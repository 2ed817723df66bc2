package api

import (
	"fmt"
	"strings"
	"testing"

	"shotline/jobs/storetest"
)

// TestBodyThatFillsTheDiskIsRemoved checks that the space of a refused body is
// free again at once.
func TestBodyThatFillsTheDiskIsRemoved(t *testing.T) {
	storetest.WithDisk(t, 4<<20, func(t *testing.T, d *storetest.Disk) {
		r := newRig(t, func(c *Config) { c.SpoolDir = d.Path("") })
		body := func(n int) *rows {
			return &rows{begin: "url\n", n: n, row: func(i int) string { return fmt.Sprintf("https://a.test/%d/%s\n", i, strings.Repeat("x", 500)) }}
		}
		for range 3 {
			r.do("POST", "/v1/batches", body(20_000), "Content-Type", "text/csv").want(507)
		}
		if names := spoolFiles(t, d.Path("")); len(names) > 0 {
			t.Errorf("%q are left", names)
		}
		r.do("POST", "/v1/batches", body(4000), "Content-Type", "text/csv").want(202)
	})
}
