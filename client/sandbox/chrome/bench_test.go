package chrome

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"shotline/client/sandbox"
	"shotline/client/sandbox/pages"
)

// BenchmarkRender compares screenshots per second with a plain chromedp loop. The
// loop has as many tabs as the renderer, each opened once, and alternates
// Navigate and CaptureScreenshot, without protection and without isolation
// between pages. Both open the same demo pages at the same size, the loop from an
// HTTP server on loopback. Their rounds alternate. The metric ratio is the
// renderer's rate divided by that of the loop.
func BenchmarkRender(b *testing.B) {
	for _, tabs := range []int{2, 4} {
		b.Run(fmt.Sprintf("tabs=%d", tabs), func(b *testing.B) {
			path, ok := findOnce()
			if !ok {
				b.Skip("needs chromium")
			}
			var demo, local []string // the same pages for both
			for _, host := range []string{"shop.shotline.test", "journal.shotline.test", "gallery.shotline.test", "metrics.shotline.test"} {
				server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					r.Host = host
					pages.Handler().ServeHTTP(w, r)
				}))
				defer server.Close()
				demo, local = append(demo, "https://"+host+"/"), append(local, server.URL+"/")
			}
			r, err := New(Config{Path: path, Tabs: tabs, Pages: pages.Handler(), Fail: pages.Fail, AllowPrivate: loopback})
			if err != nil {
				b.Fatal(err)
			}
			defer r.Close()
			plain := plainLoop(b, path, tabs)

			const round = 24 // images
			renderRound := func() time.Duration {
				return timed(b, tabs, round, func(_, i int) error {
					_, err := r.Render(b.Context(), sandbox.RenderRequest{URL: demo[i%len(demo)]})
					return err
				})
			}
			plainRound := func() time.Duration {
				return timed(b, tabs, round, func(tab, i int) error { return plain(tab, local[i%len(local)]) })
			}
			renderRound()
			plainRound()
			var rendered, looped time.Duration
			for b.Loop() {
				rendered += renderRound()
				looped += plainRound()
			}
			b.ReportMetric(float64(round*b.N)/rendered.Seconds(), "shots/s")
			b.ReportMetric(float64(round*b.N)/looped.Seconds(), "plain/s")
			b.ReportMetric(looped.Seconds()/rendered.Seconds(), "ratio")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// timed distributes n calls of do among the tabs and returns the time they take.
func timed(b *testing.B, tabs, n int, do func(tab, i int) error) time.Duration {
	b.Helper()
	next := make(chan int, n)
	for i := range n {
		next <- i
	}
	close(next)
	began := time.Now()
	var wg sync.WaitGroup
	for tab := range tabs {
		wg.Go(func() {
			for i := range next {
				if err := do(tab, i); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
	return time.Since(began)
}

// plainLoop starts a browser with tabs. It returns a function that captures one
// page.
func plainLoop(b *testing.B, path string, tabs int) func(tab int, url string) error {
	b.Helper()
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.DisableGPU)
	allocator, free := chromedp.NewExecAllocator(context.Background(), opts...)
	b.Cleanup(free)
	first, stop := chromedp.NewContext(allocator)
	b.Cleanup(stop)
	open := []context.Context{first}
	for range tabs - 1 {
		ctx, done := chromedp.NewContext(first)
		b.Cleanup(done)
		open = append(open, ctx)
	}
	for _, ctx := range open {
		if err := chromedp.Do(ctx, chromedp.EmulateViewport(sandbox.DefaultScreenWidth, sandbox.DefaultScreenHeight)); err != nil {
			b.Fatal(err)
		}
	}
	return func(tab int, url string) error {
		if err := chromedp.Do(open[tab], chromedp.Navigate(url)); err != nil {
			return err
		}
		_, err := chromedp.Run(open[tab], chromedp.CaptureScreenshot())
		return err
	}
}
