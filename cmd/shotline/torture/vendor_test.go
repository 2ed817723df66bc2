package torture

import (
	"context"
	"encoding/json"
	"hash/fnv"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"shotline/client/sandbox"
	"shotline/client/sandbox/pages"
)

// faults are the vendor's faults. list-lag is added later. credits-out is missing
// because it pauses batches until a user resumes them.
var faults = []string{
	"create-cut=0.05", "create-cut-effect=0.06", "create-500=0.04", "create-500-effect=0.05",
	"create-429=0.06,in=any", "create-slow=0.03,delay=1s..4s", "create-malformed=0.04", "create-status=0.04",
	"list-shift=0.05", "read-429=0.04,in=any", "read-500=0.1",
	"webhook-duplicate=0.2,times=2..5,delay=0s..3s", "webhook-drop=0.04", "webhook-delay=0.2,delay=100ms..3s",
	"webhook-reorder=0.2", "webhook-early=0.1,delay=1s", "webhook-contradict=0.05,lie=any",
	"webhook-bad-signature=0.06", "webhook-unsigned=0.06",
}

// vendor is a sandbox in the test process. Its ledger is the reference for the
// checks.
type vendor struct {
	*sandbox.Server
	url     string
	created notifier // occurs before a create is processed
}

// slowRenderer renders placeholders like the plain renderer, but takes up to 1.5
// seconds, depending on the URL.
type slowRenderer struct{ *sandbox.PlainRenderer }

func (s slowRenderer) Measure(ctx context.Context, r sandbox.RenderRequest) (sandbox.Rendering, error) {
	h := fnv.New32a()
	_, _ = h.Write([]byte(r.URL))
	select {
	case <-time.After(time.Duration(h.Sum32()%1500) * time.Millisecond):
	case <-ctx.Done():
	}
	return s.PlainRenderer.Measure(ctx, r)
}

func newVendor(t *testing.T, webhooks string, seed int64) *vendor {
	t.Helper()
	var wrong []sandbox.Fault
	for _, text := range append(faults, "list-lag=0.3,delay=100ms.."+lagFlag.String()) {
		fault, err := sandbox.ParseFault(text)
		if err != nil {
			t.Fatal(err)
		}
		wrong = append(wrong, fault)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	v := &vendor{url: "http://" + listener.Addr().String()}
	dialect := []sandbox.Dialect{sandbox.DialectA, sandbox.DialectB}[seed%2]
	v.Server, err = sandbox.New(sandbox.Config{
		Dialect: dialect, APIKey: apiKey, BaseURL: v.url, WebhookURL: webhooks, WebhookSecret: secret,
		Renderer: slowRenderer{&sandbox.PlainRenderer{Fail: pages.Fail}}, Workers: 128,
		WebhookTries: 9, RetryBackoff: func(failed int) time.Duration { return min(100*time.Millisecond<<failed, 2*time.Second) },
		Faults: wrong, Seed: seed,
	})
	if err != nil {
		t.Fatal(err)
	}
	answers := v.Handler()
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/screenshot/create") {
			v.created.notify()
		}
		answers.ServeHTTP(w, r)
	})}
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(listener) }()
	t.Cleanup(func() {
		server.Close()
		<-served
		if err := v.Close(); err != nil {
			t.Error(err)
		}
	})
	return v
}

// ledger reads the ledger over HTTP, as any client can.
func (v *vendor) ledger(t *testing.T) sandbox.Ledger {
	t.Helper()
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, v.url+"/sandbox/ledger", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-API-KEY", apiKey)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var l sandbox.Ledger
	if err := json.NewDecoder(response.Body).Decode(&l); err != nil {
		t.Fatal(err)
	}
	return l
}

// submissionTag returns the tag that identifies job and attempt. It does not use
// Shotline's own parser.
func submissionTag(tags []string) string {
	i := slices.IndexFunc(tags, func(tag string) bool {
		return strings.HasPrefix(tag, "shotline-") && strings.Count(tag, "-") == 3
	})
	if i < 0 {
		return ""
	}
	return tags[i]
}

// has reports whether the fault was injected into a create.
func has(c sandbox.LedgerCreate, fault string) bool { return slices.Contains(c.Faults, fault) }
