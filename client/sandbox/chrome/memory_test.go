package chrome

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"shotline/client/sandbox"
)

func TestExcess(t *testing.T) {
	m := memory{page: 100 << 20, whole: 300 << 20}
	proc := func(pid int, kind string, mib int64) process { return process{pid, kind, mib << 20} }
	for name, c := range map[string]struct {
		all  []process
		want []int
	}{
		"all within":            {[]process{proc(1, "", 99), proc(2, "renderer", 99), proc(3, "renderer", 99)}, nil},
		"a page":                {[]process{proc(1, "", 50), proc(2, "renderer", 101), proc(3, "renderer", 99)}, []int{2}},
		"two pages":             {[]process{proc(1, "", 50), proc(2, "renderer", 101), proc(3, "renderer", 500)}, []int{2, 3}},
		"all together":          {[]process{proc(1, "", 90), proc(2, "renderer", 80), proc(3, "renderer", 80), proc(4, "gpu-process", 60)}, []int{1}},
		"another process":       {[]process{proc(1, "", 90), proc(2, "renderer", 80), proc(4, "gpu-process", 250)}, []int{4}},
		"the rest after a page": {[]process{proc(1, "", 290), proc(2, "renderer", 150)}, []int{2}},
		"a large other one":     {[]process{proc(1, "", 50), proc(4, "utility", 200)}, nil},
		"none":                  {nil, nil},
	} {
		var got []int
		for _, p := range m.excess(c.all) {
			got = append(got, p.pid)
		}
		if len(got) != len(c.want) || len(got) > 0 && got[0] != c.want[0] {
			t.Errorf("%s: got processes %v, want %v", name, got, c.want)
		}
	}
}

// growingPages contains pages that allocate more and more memory, each in another
// way.
var growingPages = map[string]string{
	"buffers":                 `<script>const all = []; setInterval(() => all.push(new Uint8Array(16 << 20).fill(1)), 5)</script>`,
	"buffers without a pause": `<script>const all = []; for (;;) all.push(new Uint8Array(16 << 20).fill(1))</script>`,
	"objects":                 `<script>const all = []; setInterval(() => { for (let i = 0; i < 2e5; i++) all.push({i, text: "x" + i}) }, 1)</script>`,
	"texts":                   `<script>const all = []; let n = 0; setInterval(() => all.push(Array(1 << 20).fill(n++).join()), 5)</script>`,
	"elements":                `<script>const all = []; setInterval(() => { for (let i = 0; i < 1e4; i++) { const p = document.createElement("p"); p.textContent = "paragraph " + i; all.push(p) } }, 1)</script>`,
	"wasm":                    `<script>const all = []; setInterval(() => { const m = new WebAssembly.Memory({initial: 256}); new Uint8Array(m.buffer).fill(1); all.push(m) }, 5)</script>`,
	"a worker":                `<script>new Worker(URL.createObjectURL(new Blob(["const all = []; for (;;) all.push(new Uint8Array(16 << 20).fill(1))"])))</script>`,
}

// A page that allocates more and more memory fails its own render at the limit.
// Other pages are rendered in the meantime.
func TestMemoryLimit(t *testing.T) {
	t.Parallel()
	const page = 192 << 20 // a few times what an ordinary page takes, and soon full
	r := start(t, Config{Tabs: 2, AllowPrivate: loopback, PageMemory: page, PageTimeout: 40 * time.Second})
	good := serveHTML(t, `<!doctype html><title>good</title><style>body{background:#1030c0}</style>`)
	peak := watchPeak(t, r)
	for name, body := range growingPages {
		t.Run(name, func(t *testing.T) {
			url := serveHTML(t, "<!doctype html><title>growing</title>"+body)
			var others sync.WaitGroup
			ended := make(chan struct{})
			others.Go(func() {
				for drawn := 0; ; drawn++ {
					if rendering, err := r.Render(t.Context(), sandbox.RenderRequest{URL: good, Device: small}); err != nil || rendering.Title != "good" {
						t.Errorf("other page: title %q, error %v", rendering.Title, err)
						return
					}
					select {
					case <-ended:
						return
					case <-time.After(time.Second): // the hungry page needs the cores, too
					}
				}
			})
			_, err := r.Render(t.Context(), sandbox.RenderRequest{URL: url, Device: small, Pace: sandbox.Pace{Delay: 40 * time.Second}})
			close(ended)
			others.Wait()
			if err == nil || !strings.Contains(err.Error(), "too much memory: the limit is 192 MiB") {
				t.Errorf("render failed with %v", err)
			}
		})
	}
	// The browser is still the same, and never used more than the limit of all
	// pages plus the memory that one page can allocate between two measurements.
	if used := peak(); used > 3*page+512<<20 {
		t.Errorf("the browser used %d MiB", used>>20)
	} else {
		t.Logf("the browser used at most %d MiB", used>>20)
	}
}

// watchPeak measures the memory of the browser until the returned function is
// called, which returns the maximum.
func watchPeak(t *testing.T, r *Renderer) (peak func() int64) {
	t.Helper()
	var most atomic.Int64
	stop, stopped := make(chan struct{}), make(chan struct{})
	pid := r.current.pid
	go func() {
		defer close(stopped)
		ticker := time.NewTicker(memoryInterval)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
			case <-stop:
				return
			}
			var used int64
			for _, p := range processTree(pid) {
				used += p.used
			}
			most.Store(max(most.Load(), used))
		}
	}()
	return func() int64 {
		close(stop)
		<-stopped
		return most.Load()
	}
}
