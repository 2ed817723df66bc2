package sandbox_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"shotline/client/sandbox"
)

func TestParseFault(t *testing.T) {
	for text, want := range map[string]string{
		"create-cut=0":                             "create-cut=0",
		" create-cut=1 ":                           "create-cut=1",
		"webhook-duplicate=.25, times=2..20":       "webhook-duplicate=0.25,times=2..20",
		"webhook-duplicate=1,times=3,delay=1s..2m": "webhook-duplicate=1,delay=1s..2m,times=3",
		"webhook-contradict=1,lie=any":             "webhook-contradict=1,lie=any",
		"create-429=1e-3,retry_after=0":            "create-429=0.001,retry_after=0",
		"create-status=1,word=half-done":           "create-status=1,word=half-done",
		"webhook-reorder=1,by=100,delay=24h":       "webhook-reorder=1,by=100,delay=24h",
		"read-500=1,status=503":                    "read-500=1,status=503",
	} {
		f, err := sandbox.ParseFault(text)
		if err != nil || f.String() != want {
			t.Errorf("ParseFault(%q) = %q, %v, want %q", text, f, err, want)
		}
	}
	for text, want := range map[string]string{
		"":                                    "want NAME=PROBABILITY",
		"create-cut":                          "want NAME=PROBABILITY",
		"create-crash=1":                      `"create-crash" is not known; known are webhook-duplicate, `,
		"create-cut=often":                    `number from 0 to 1, not "often"`,
		"create-cut=1.1":                      "number from 0 to 1, not 1.1",
		"create-cut=-0.1":                     "number from 0 to 1",
		"create-cut=NaN":                      "number from 0 to 1",
		"create-cut=1,delay=1s":               `no argument "delay"; it takes none`,
		"webhook-duplicate=1,time=3":          `no argument "time"; it takes times, delay`,
		"webhook-duplicate=1,times":           "want ARGUMENT=VALUE",
		"webhook-duplicate=1,times=3,times=4": "times is given twice",
		"webhook-duplicate=1,times=1":         "from 2 to 100",
		"webhook-duplicate=1,times=20..2":     "from 2 to 100",
		"webhook-duplicate=1,times=2..":       "from 2 to 100",
		"webhook-delay=1,delay=3":             "delay=3: want a duration",
		"webhook-delay=1,delay=25h":           "up to 24h",
		"webhook-delay=1,delay=-1s":           "a duration",
		"webhook-contradict=1,lie=never":      "last, first or any",
		"create-429=1,retry_after=soon":       "seconds",
		"create-500=1,status=404":             "from 500 to 599",
		"create-status=1,word=finished":       "other than the documented",
		"create-status=1,word=no space":       "letters",
	} {
		if _, err := sandbox.ParseFault(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseFault(%q): error %v, want one with %q", text, err, want)
		}
	}
	if _, err := sandbox.New(sandbox.Config{Faults: []sandbox.Fault{{Name: "create-crash", Probability: 1}}}); err == nil {
		t.Error("New accepted an unknown fault")
	}
	if _, err := sandbox.New(sandbox.Config{Faults: faults(t, "create-cut=1", "create-cut=0.5")}); err == nil {
		t.Error("New accepted a fault twice")
	}
}

// Every fault can be set with the arguments that the list shows.
func TestFaultList(t *testing.T) {
	for _, info := range sandbox.FaultList() {
		text := info.Name + "=1"
		if info.Args != "" {
			text += "," + info.Args
		}
		if _, err := sandbox.ParseFault(text); err != nil {
			t.Error(err)
		}
		if info.Note == "" {
			t.Errorf("%s has no note", info.Name)
		}
	}
}

// allFaults returns all faults with the same probability and with delays of at
// most a few milliseconds.
func allFaults(probability string) []string {
	quick := map[string]string{
		"webhook-delay":   "delay=1ms..5ms",
		"webhook-reorder": "delay=5ms",
		"webhook-early":   "delay=5ms",
		"create-slow":     "delay=1ms..5ms",
	}
	var texts []string
	for _, info := range sandbox.FaultList() {
		text := info.Name + "=" + probability
		if args := quick[info.Name]; args != "" {
			text += "," + args
		}
		texts = append(texts, text)
	}
	return texts
}

func TestFaultsWithoutProbabilityNeverHappen(t *testing.T) {
	v, hooks := startWithWebhooks(t, http.StatusOK, sandbox.Config{Faults: faults(t, allFaults("0")...)})
	for i := range 20 {
		v.create(fmt.Sprintf("https://example.com/%d", i), "apps", "12")
	}
	v.settle()
	if rows := data[[]shot](t, v.get("screenshot/list", nil)); len(rows) != 20 || len(hooks) != 20 {
		t.Errorf("got %d rows and %d webhooks, want 20", len(rows), len(hooks))
	}
	l := v.srv.Ledger()
	if len(l.Fired) != 0 || len(l.Faults) != 0 || len(l.Refused) != 0 {
		t.Errorf("ledger is %+v", l)
	}
}

// runWithFaults sends a hundred creates for fifty different URLs, concurrently
// and in random order. It returns the faults in the ledger.
func runWithFaults(t *testing.T, seed int64) []string {
	v, _ := startWithWebhooks(t, http.StatusOK, sandbox.Config{Seed: seed, Faults: faults(t, allFaults("0.2")...)})
	var wg sync.WaitGroup
	for _, i := range rand.Perm(100) {
		wg.Go(func() {
			_, _ = once(context.Background(), fmt.Sprintf("%s/api/v1/screenshot/create?key=sandbox-key&url=https://example.com/%d&tag=t&apps=12", v.root, i%50))
			_, _ = once(context.Background(), fmt.Sprintf("%s/api/v1/screenshot/list?key=sandbox-key&offset=%d", v.root, i))
		})
	}
	wg.Wait()
	v.settle()
	l := v.srv.Ledger()
	spent, posts := 0.0, 0
	for _, c := range l.Creates {
		spent += c.Cost
		for _, d := range c.Deliveries {
			if posts += len(d.Attempts); d.State == "waiting" {
				t.Errorf("a delivery of %d is waiting although the sandbox is idle", c.ID)
			}
		}
	}
	if spent != l.Spent || len(l.Creates)+len(l.Refused) != 100 || posts == 0 {
		t.Errorf("%d creates and %d refusals, want 100; %g credits charged, want %g; %d posts", len(l.Creates), len(l.Refused), l.Spent, spent, posts)
	}
	var texts []string
	for _, f := range l.Faults {
		texts = append(texts, fmt.Sprintf("%s %s %d", f.Fault, f.Subject, f.Occurrence))
	}
	slices.Sort(texts)
	if len(l.Fired) != len(sandbox.FaultList()) {
		t.Errorf("faults are %v, want all kinds", l.Fired)
	}
	return texts
}

func TestFaultsRepeat(t *testing.T) {
	first := runWithFaults(t, 7)
	if diff := cmp.Diff(first, runWithFaults(t, 7)); diff != "" {
		t.Errorf("the same seed gave different faults:\n%s", diff)
	}
	if slices.Equal(first, runWithFaults(t, 8)) {
		t.Error("another seed gave the same faults")
	}
}

// Each attempt to create a screenshot is a new occurrence, with its own faults.
func TestFaultsDependOnTheOccurrence(t *testing.T) {
	v := start(t, sandbox.Config{Faults: faults(t, "create-500=0.5,status=500")})
	codes := map[int]int{}
	for range 100 {
		codes[v.get("screenshot/create", with("url", "https://example.com/")).status]++
	}
	if codes[200]+codes[500] != 100 || codes[200] < 20 || codes[500] < 20 {
		t.Errorf("statuses are %v, want about as many 200 as 500", codes)
	}
}

func TestFaultsAreReplacedWhileTheyHappen(t *testing.T) {
	v, _ := startWithWebhooks(t, http.StatusOK, sandbox.Config{})
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() { v.setFaults(allFaults("0.3")...) })
		wg.Go(func() {
			q := url.Values{"key": {"sandbox-key"}, "url": {fmt.Sprintf("https://example.com/%d", i)}, "apps": {"12"}}
			_, _ = once(context.Background(), v.root+"/api/v1/screenshot/create?"+q.Encode())
		})
	}
	wg.Wait()
	v.settle()
}

// Close does not wait for delays that faults cause.
func TestCloseWithFaultsUnderWay(t *testing.T) {
	v, hooks := startWithWebhooks(t, http.StatusOK, sandbox.Config{Faults: faults(t, "webhook-delay=1,delay=1h")})
	v.create("https://example.com/", "apps", "12")
	v.setFaults("webhook-reorder=1,delay=1h")
	v.create("https://example.com/", "apps", "12")
	v.setFaults("create-slow=1,delay=1h")
	answered := make(chan error, 1)
	go func() {
		_, err := once(context.Background(), v.root+faultyCreate)
		answered <- err
	}()
	next(t, hooks) // the slow create took effect
	if err := v.srv.Close(); err != nil {
		t.Error(err)
	}
	select {
	case <-answered:
	case <-time.After(20 * time.Second):
		t.Error("Close did not end a slow create")
	}
}
