package sandbox_test

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"shotline/client/sandbox"
)

func TestFaultListLag(t *testing.T) {
	var now atomic.Pointer[time.Time]
	now.Store(&clock)
	v := start(t, sandbox.Config{
		Now:    func() time.Time { return *now.Load() },
		Faults: faults(t, "list-lag=1,delay=5s"),
	})
	v.create("https://example.com/", "tag", "a")
	v.settle()
	shown := func() (rows int) {
		rows += len(data[[]shot](t, v.get("screenshot/list", nil)))
		rows += len(data[[]shot](t, v.get("screenshot/list", with("tag", "a"))))
		rows += len(data[[]shot](t, v.get("screenshot/search", with("url", "example"))))
		return rows
	}
	almost, then := clock.Add(5*time.Second-1), clock.Add(5*time.Second)
	for _, step := range []struct {
		at   time.Time
		rows int
	}{{clock, 0}, {almost, 0}, {then, 3}} {
		now.Store(&step.at)
		if rows := shown(); rows != step.rows {
			t.Errorf("%s after the create: got %d rows, want %d", step.at.Sub(clock), rows, step.rows)
		}
		if s := data[shot](t, v.get("screenshot/info", with("id", "1001"))); s.Status != "finished" {
			t.Errorf("info is %+v", s)
		}
	}
	v.wantFired(map[string]int64{"list-lag": 1})
}

func TestFaultListShift(t *testing.T) {
	v := start(t, sandbox.Config{})
	for range 10 {
		v.create("https://example.com/")
	}
	v.settle()
	for _, endpoint := range []string{"screenshot/list", "screenshot/search"} {
		// Ids descend from 1010; the requested page is 1006, 1005, 1004.
		ways := map[string]bool{}
		for i := range 30 {
			v.setFaults("list-shift=1,by=2")
			page := data[[]shot](t, v.get(endpoint, with("url", "example", "limit", "3", "offset", "4", "round", strconv.Itoa(i))))
			switch {
			case len(page) == 1 && page[0].ID == 1006:
				ways["short"] = true
			case len(page) == 3 && page[0].ID == 1004:
				ways["rows missed"] = true
			case len(page) == 3 && page[0].ID == 1008:
				ways["rows repeated"] = true
			default:
				t.Errorf("%s: unexpected page %+v", endpoint, page)
			}
		}
		if len(ways) != 3 {
			t.Errorf("%s shifted pages only in these ways: %v, want 3", endpoint, ways)
		}
		for i := range 10 {
			for name, value := range map[string]string{"limit": "0", "offset": "-1"} {
				if a := v.get(endpoint, with("url", "example", name, value, "round", strconv.Itoa(i))); a.status != http.StatusUnprocessableEntity {
					t.Errorf("%s with %s=%s: status %d, want 422", endpoint, name, value, a.status)
				}
			}
		}
		if a := v.get(endpoint, with("url", "example", "limit", "many")); a.status != http.StatusUnprocessableEntity {
			t.Errorf("%s with an invalid limit: status %d, want 422", endpoint, a.status)
		}
	}
}

// readCalls are calls of all read-only endpoints that succeed after createAll.
// The only exception is the video, because no screenshot has one.
var readCalls = map[string]url.Values{
	"screenshot/info":      with("id", "1001"),
	"screenshot/list":      nil,
	"screenshot/search":    with("url", "example"),
	"screenshot/thumbnail": with("id", "1001"),
	"screenshot/html":      with("id", "1001"),
	"screenshot/pdf":       with("id", "1001"),
	"batch/info":           with("id", "1001"),
	"batch/list":           nil,
	"batch/download":       with("id", "1001"),
	"account/info":         nil,
}

func (v *vendor) createAll() {
	v.t.Helper()
	v.create("https://example.com/", "html", "true", "pdf", "true", "screen_width", "160", "screen_height", "120")
	v.batch("https://example.com/", "country", "us", "screen_width", "160", "screen_height", "120")
	v.settle()
}

func TestFaultRead500(t *testing.T) {
	v := start(t, sandbox.Config{Faults: faults(t, "read-500=1,status=502")})
	v.createAll()
	for endpoint, query := range readCalls {
		if a := v.get(endpoint, query); a.status != http.StatusBadGateway {
			t.Errorf("%s: status %d", endpoint, a.status)
		}
	}
	v.setFaults()
	for endpoint, query := range readCalls {
		if a := v.get(endpoint, query); a.status != http.StatusOK {
			t.Errorf("%s without faults: status %d, want 200", endpoint, a.status)
		}
	}
	v.wantFired(map[string]int64{"read-500": int64(len(readCalls))})
}

func TestFaultRead429(t *testing.T) {
	v := start(t, sandbox.Config{Faults: faults(t, "read-429=1,retry_after=3")})
	v.createAll()
	for endpoint, query := range readCalls {
		a := v.get(endpoint, query)
		if a.status != http.StatusTooManyRequests {
			t.Errorf("%s: status %d", endpoint, a.status)
		}
		contains(t, a.body, `"retry_after":3`)
	}
	if a := v.do(http.MethodGet, "/api/v1/account/info", "wrong", nil); a.status != http.StatusUnauthorized {
		t.Errorf("wrong key: status %d, want 401", a.status)
	}
	// The key is not part of the subject.
	if a, err := once(t.Context(), v.root+"/api/v1/screenshot/info?id=1001&key=sandbox-key"); err != nil || a.status != http.StatusTooManyRequests {
		t.Errorf("info: status %d, error %v, want 429", a.status, err)
	}
	v.wantFired(map[string]int64{"read-429": int64(len(readCalls)) + 1})
	for i, f := range v.srv.Ledger().Faults {
		endpoint, query, _ := strings.Cut(f.Subject, "?")
		if want, known := readCalls[endpoint]; f.Occurrence != 1+i/len(readCalls) || !known || query != want.Encode() {
			t.Errorf("unexpected fault in the ledger: %+v", f)
		}
	}
}
