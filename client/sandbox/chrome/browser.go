package chrome

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	cdpbrowser "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/chromedp"

	"shotline/client/sandbox/egress"
)

// startTimeout limits the start of a browser. A cold start on a busy machine
// takes several seconds.
const startTimeout = 30 * time.Second

// maxScratchPath leaves room for "/org.chromium.Chromium.XXXXXX/SingletonSocket"
// in the path of a socket, which is limited to 104 bytes on macOS (108 on Linux).
const maxScratchPath = 104 - 46

// browser is one running browser process. The protocol uses a pipe, so that the
// browser listens on no port. The profile is a temporary directory that is
// removed when the process has ended.
type browser struct {
	ctx     context.Context    // chromedp's context of the process and parent of its tabs
	kill    context.CancelFunc // kills the process without waiting
	stop    func()             // kills the process and its children, waits, and removes the profile
	lost    <-chan struct{}    // closed when the connection to the process is lost
	proxy   *egress.Proxy      // the only network access of the process
	pid     int
	version string

	tabs        atomic.Int64              // number of open tabs
	lastKill    atomic.Pointer[time.Time] // when watch last killed a process; nil if never
	outOfMemory atomic.Bool               // watch killed the browser because of its memory
}

func startBrowser(cfg *Config) (_ *browser, err error) {
	closed := ""
	if cfg.Pages != nil {
		closed = cfg.PagesDomain
	}
	proxy, err := egress.Listen(cfg.AllowPrivate, closed)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, proxy.Close())
		}
	}()
	opts, err := allocatorOptions(cfg, proxy.Addr())
	if err != nil {
		return nil, err
	}
	// Chromium uses the temporary directory not only for its profile, and leaves
	// files there if it is killed. One of them is a socket, whose path must not be
	// too long.
	scratch, err := os.MkdirTemp("", "sl-")
	if err != nil {
		return nil, fmt.Errorf("scratch directory: %w", err)
	}
	if len(scratch) <= maxScratchPath {
		opts = append(opts, chromedp.Env("TMPDIR="+scratch))
	}

	base, kill := context.WithCancel(context.Background())
	allocator, freeAllocator := chromedp.NewExecAllocator(base, opts...)
	protocolNote := func(format string, args ...any) {
		cfg.Logger.Debug("browser protocol: " + fmt.Sprintf(format, args...))
	}
	ctx, freeBrowser := chromedp.NewContext(allocator,
		chromedp.WithLogf(protocolNote), chromedp.WithErrorf(protocolNote))
	stopProcess := func() {
		kill()
		freeBrowser()
		freeAllocator()
		if err := os.RemoveAll(scratch); err != nil {
			cfg.Logger.Warn("browser scratch directory not removed", "error", err)
		}
	}

	late := time.AfterFunc(startTimeout, kill)
	version, err := chromedp.CallBrowser(ctx, cdpbrowser.GetVersion, cdp.Empty{})
	if !late.Stop() && err != nil {
		err = fmt.Errorf("no response within %v", startTimeout)
	}
	if err != nil {
		stopProcess()
		return nil, err
	}
	var watching sync.WaitGroup
	stop := func() {
		stopProcess()
		watching.Wait()
		if err := proxy.Close(); err != nil {
			cfg.Logger.Warn("browser proxy not closed", "error", err)
		}
	}
	process := chromedp.FromContext(ctx).Browser
	b := &browser{
		ctx: ctx, kill: kill, stop: stop,
		lost:    process.LostConnection,
		pid:     process.Process().Pid,
		version: version.Product,
		proxy:   proxy,
	}
	watching.Go(func() { b.watch(base, memoryOf(cfg), cfg.Logger) })
	return b, nil
}

// dead reports whether the process has ended or the connection to it is lost.
func (b *browser) dead() bool {
	select {
	case <-b.lost:
		return true
	default:
		return b.ctx.Err() != nil
	}
}

// disabledFeatures are chromedp's, and the suggestions under the address bar. Even
// without a visible window, each window of the browser would draw two pages of
// them in a process of their own, at twice the cost of the tab in it.
const disabledFeatures = "Translate,BlinkGenPropertyTrees,WebUIOmniboxPopup,WebUIOmniboxAimPopup"

// allocatorOptions returns the browser's command line. The browser uses the proxy
// for all network access, including name resolution.
func allocatorOptions(cfg *Config, proxy string) ([]chromedp.ExecAllocatorOption, error) {
	opts := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(cfg.Path),
		chromedp.ModifyCmdFunc(ownProcessGroup),
		chromedp.NoInheritEnv,
		chromedp.Env(environment(os.Environ())...),
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-domain-reliability", true),
		chromedp.Flag("disable-features", disabledFeatures),
		chromedp.Flag("disable-popup-blocking", false), // block popups, so that a page stays in its tab
		chromedp.Flag("no-pings", true),
		chromedp.Flag("js-flags", memoryOf(cfg).scriptHeap()),
		chromedp.Flag("proxy-server", "socks5://"+proxy),
		chromedp.Flag("proxy-bypass-list", "<-loopback>"), // use the proxy even for loopback
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
		// Newer browsers know the second name, older ones the first.
		chromedp.Flag("force-webrtc-ip-handling-policy", "disable_non_proxied_udp"),
		chromedp.Flag("webrtc-ip-handling-policy", "disable_non_proxied_udp"),
	)
	for _, flag := range cfg.Flags {
		name, value, err := parseFlag(flag)
		if err != nil {
			return nil, err
		}
		opts = append(opts, chromedp.Flag(name, value))
	}
	return opts, nil
}

// networkFlags are the browser flags that could give pages access to other
// addresses.
var networkFlags = []string{
	"host-resolver-rules", "host-rules", "no-proxy-server", "proxy-auto-detect", "proxy-bypass-list", "proxy-pac-url",
	"proxy-server", "force-webrtc-ip-handling-policy", "webrtc-ip-handling-policy",
}

// parseFlag splits "--name" or "--name=value" for chromedp, where the value of a
// flag without one is true.
func parseFlag(flag string) (name string, value any, err error) {
	body, ok := strings.CutPrefix(flag, "--")
	name, text, hasValue := strings.Cut(body, "=")
	switch {
	case !ok || name == "" || strings.ContainsAny(name, " \t"):
		return "", nil, fmt.Errorf("browser flag %q: must look like --flag or --flag=value", flag)
	case slices.Contains(networkFlags, name):
		return "", nil, fmt.Errorf("browser flag %q: flags cannot change the network access of the browser", flag)
	case strings.HasPrefix(name, "remote-debugging-"):
		return "", nil, fmt.Errorf("browser flag %q: the browser is driven through a pipe, not a port", flag)
	case hasValue:
		return name, text, nil
	default:
		return name, true, nil
	}
}
