package sandbox_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"shotline/client/sandbox"
)

// The ledger shows how often each tag was charged, which webhooks were posted for
// it, and which of them were accepted.
func TestLedgerFilters(t *testing.T) {
	v, _ := startWithWebhooks(t, http.StatusOK, sandbox.Config{Faults: faults(t, "webhook-duplicate=1,times=3")})
	v.create("https://example.com/", "tag", "row-1", "apps", "12")
	v.create("https://example.com/", "tag", "row-1", "apps", "12")
	v.create("https://example.com/", "tag", "row-2", "tag", "row-3")
	v.settle()
	v.setFaults("create-429=1")
	v.get("screenshot/create", with("url", "https://example.com/", "tag", "row-2"))

	for _, test := range []struct {
		name                        string
		query                       []string
		creates, refusals, accepted int
	}{
		{"everything", nil, 3, 1, 6},
		{"a tag", []string{"tag", "row-1"}, 2, 0, 6},
		{"another tag", []string{"tag", "row-2"}, 1, 1, 0},
		{"a second tag", []string{"tag", "row-3"}, 1, 0, 0},
		{"no such tag", []string{"tag", "row"}, 0, 0, 0},
		{"an id", []string{"id", "1002"}, 1, 0, 3},
		{"an id with another tag", []string{"id", "1002", "tag", "row-2"}, 0, 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			var l sandbox.Ledger
			a := v.do(http.MethodGet, "/sandbox/ledger", sandbox.DefaultAPIKey, with(test.query...))
			if err := json.Unmarshal(a.body, &l); err != nil {
				t.Fatal(err)
			}
			accepted := 0
			for _, c := range l.Creates {
				for _, d := range c.Deliveries {
					if last := d.Attempts[len(d.Attempts)-1]; last.Status == http.StatusOK && last.Signature == "valid" {
						accepted++
					}
				}
			}
			if len(l.Creates) != test.creates || len(l.Refused) != test.refusals || accepted != test.accepted {
				t.Errorf("%d creates, %d refusals, %d webhooks accepted, want %+v", len(l.Creates), len(l.Refused), accepted, test)
			}
			if l.Spent != 3 {
				t.Errorf("spent is %g, want 3 for every filter", l.Spent)
			}
		})
	}
	a := v.do(http.MethodGet, "/sandbox/ledger", sandbox.DefaultAPIKey, with("id", "first"))
	if a.status != http.StatusBadRequest && a.status != http.StatusUnprocessableEntity {
		t.Errorf("invalid id: status %d, want 4xx", a.status)
	}
	contains(t, a.body, `"id"`)
}

// The ledger also lists creates that were refused without a fault.
func TestLedgerShowsRefusals(t *testing.T) {
	v := start(t, sandbox.Config{Balance: 1})
	v.create("https://example.com/", "tag", "first")
	if a := v.get("screenshot/create", with("url", "https://example.com", "tag", "second")); a.status != http.StatusUnprocessableEntity {
		t.Errorf("create without credits: status %d, want 422", a.status)
	}
	v.settle()
	l := v.srv.Ledger()
	want := []sandbox.LedgerRefusal{{At: "2026-03-04T05:06:07Z", URL: "https://example.com/", Tags: []string{"second"}, Answer: "422"}}
	if diff := cmp.Diff(want, l.Refused); diff != "" {
		t.Errorf("refusals (-want +got):\n%s", diff)
	}
	if len(l.Creates) != 1 || l.Creates[0].Answer != "200" || l.Balance != 0 {
		t.Errorf("ledger is %+v", l)
	}
}
