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

// faults are what goes wrong at the vendor; list-lag comes to them. Of the rest
// only credits-out is missing, which pauses batches until somebody resumes them.
var faults = []string{
	"create-cut=0.05", "create-cut-effect=0.06", "create-500=0.04", "create-500-effect=0.05",
	"create-429=0.06,in=any", "create-slow=0.03,delay=1s..4s", "create-malformed=0.04", "create-status=0.04",
	"list-shift=0.05", "read-429=0.04,in=any", "read-500=0.1",
	"webhook-duplicate=0.2,times=2..5,delay=0s..3s", "webhook-drop=0.04", "webhook-delay=0.2,delay=100ms..3s",
	"webhook-reorder=0.2", "webhook-early=0.1,delay=1s", "webhook-contradict=0.05,lie=any",
	"webhook-bad-signature=0.06", "webhook-unsigned=0.06",
}

// vendor is a sandbox in the test's own process. Its books are the witness.
type vendor struct {
	*sandbox.Server
	url     string
	created bell // rings at every create, before it is looked at
}

// slowly draws placeholders like the plain renderer, but takes up to a second
// and a half for it, by the address.
type slowly struct{ *sandbox.PlainRenderer }

func (s slowly) Measure(ctx context.Context, r sandbox.RenderRequest) (sandbox.Rendering, error) {
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
		Renderer: slowly{&sandbox.PlainRenderer{Fail: pages.Fail}}, Workers: 128,
		WebhookTries: 9, RetryBackoff: func(failed int) time.Duration { return min(100*time.Millisecond<<failed, 2*time.Second) },
		Faults: wrong, Seed: seed,
	})
	if err != nil {
		t.Fatal(err)
	}
	answers := v.Handler()
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/screenshot/create") {
			v.created.ring()
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

// ledger reads the books the way anybody can: over HTTP.
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

// submissionTag is the tag that names job and attempt. It is found by its form
// here, not by Shotline's own parser.
func submissionTag(tags []string) string {
	i := slices.IndexFunc(tags, func(tag string) bool {
		return strings.HasPrefix(tag, "shotline-") && strings.Count(tag, "-") == 3
	})
	if i < 0 {
		return ""
	}
	return tags[i]
}

// has reports whether a create was hit by a fault.
func has(c sandbox.LedgerCreate, fault string) bool { return slices.Contains(c.Faults, fault) }
