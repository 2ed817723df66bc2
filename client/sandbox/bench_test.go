package sandbox_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"shotline/client/sandbox"
)

// BenchmarkCreateWithWebhook measures a create over HTTP until its webhook is
// delivered. Client and receiver run in the same process.
func BenchmarkCreateWithWebhook(b *testing.B) { benchmarkCreate(b, sandbox.Config{}) }

// BenchmarkCreateDecidingFaults measures the same with all faults at probability
// 0, which is the cost of deciding about them.
func BenchmarkCreateDecidingFaults(b *testing.B) {
	var faults []sandbox.Fault
	for _, info := range sandbox.FaultList() {
		faults = append(faults, sandbox.Fault{Name: info.Name})
	}
	benchmarkCreate(b, sandbox.Config{Faults: faults})
}

func benchmarkCreate(b *testing.B, cfg sandbox.Config) {
	receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer receiver.Close()
	cfg.WebhookURL, cfg.WebhookSecret, cfg.Balance = receiver.URL, "s3cret", 1e12
	srv, err := sandbox.New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	defer srv.Close()
	api := httptest.NewServer(srv.Handler())
	defer api.Close()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	defer client.CloseIdleConnections()

	b.SetParallelism(16)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			res, err := client.Get(api.URL + "/api/v1/screenshot/create?key=sandbox-key&apps=12&tag=bench&url=https://example.com/")
			if err != nil {
				b.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
			if res.StatusCode != http.StatusOK {
				b.Errorf("create: status %d, want 200", res.StatusCode)
				return
			}
		}
	})
	if err := srv.Idle(context.Background()); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "creates/s")
}
