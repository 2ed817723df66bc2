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

// startTimeout bounds a browser's start: a cold one on a busy machine takes
// several seconds.
const startTimeout = 30 * time.Second

// maxScratchPath leaves room for "/org.chromium.Chromium.XXXXXX/SingletonSocket"
// in the 104 bytes that a socket's path may have on macOS (108 on Linux).
const maxScratchPath = 104 - 46

// browser is one running browser process. The protocol runs over a pipe, so
// nothing listens on a port, and the profile is a temporary directory that
// is removed when the process has ended.
type browser struct {
	ctx     context.Context    // chromedp's context of the process; its tabs are children
	kill    context.CancelFunc // ends the process, does not wait
	stop    func()             // ends the process and its children, waits, removes the profile
	lost    <-chan struct{}    // closed when the connection to the process is gone
	way     *egress.Proxy      // all that the process can reach
	pid     int
	version string

	tabs    atomic.Int64              // open
	ended   atomic.Pointer[time.Time] // when the watch last ended a process
	starved atomic.Bool               // it was killed for its memory
}

func startBrowser(cfg *Config) (_ *browser, err error) {
	closed := ""
	if cfg.Pages != nil {
		closed = cfg.PagesDomain
	}
	way, err := egress.Listen(cfg.AllowPrivate, closed)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, way.Close())
		}
	}()
	opts, err := allocatorOptions(cfg, way.Addr())
	if err != nil {
		return nil, err
	}
	// Chromium keeps more in the temporary directory than its profile, and
	// leaves it behind when killed: a directory with a socket, whose path must
	// not grow too long.
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
			cfg.Logger.Warn("browser's scratch directory stays", "error", err)
		}
	}

	late := time.AfterFunc(startTimeout, kill)
	version, err := chromedp.CallBrowser(ctx, cdpbrowser.GetVersion, cdp.Empty{})
	if !late.Stop() && err != nil {
		err = fmt.Errorf("no answer within %v", startTimeout)
	}
	if err != nil {
		stopProcess()
		return nil, err
	}
	var watching sync.WaitGroup
	stop := func() {
		stopProcess()
		watching.Wait()
		if err := way.Close(); err != nil {
			cfg.Logger.Warn("browser's proxy was not closed", "error", err)
		}
	}
	process := chromedp.FromContext(ctx).Browser
	b := &browser{
		ctx: ctx, kill: kill, stop: stop,
		lost:    process.LostConnection,
		pid:     process.Process().Pid,
		version: version.Product,
		way:     way,
	}
	watching.Go(func() { b.watch(base, memoryOf(cfg), cfg.Logger) })
	return b, nil
}

// dead reports whether the process is gone or no longer talks to us.
func (b *browser) dead() bool {
	select {
	case <-b.lost:
		return true
	default:
		return b.ctx.Err() != nil
	}
}

// allocatorOptions turns the configuration into the browser's command line.
// Everything that the browser wants from the network goes by way of the proxy,
// which also looks up all names.
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
		chromedp.Flag("disable-popup-blocking", false), // a page gets its one tab
		chromedp.Flag("no-pings", true),
		chromedp.Flag("js-flags", memoryOf(cfg).scriptHeap()),
		chromedp.Flag("proxy-server", "socks5://"+proxy),
		chromedp.Flag("proxy-bypass-list", "<-loopback>"), // not even loopback is direct
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

// guarding are the browser's flags by which pages could reach what they may not.
var guarding = []string{
	"host-resolver-rules", "host-rules", "no-proxy-server", "proxy-auto-detect", "proxy-bypass-list", "proxy-pac-url",
	"proxy-server", "force-webrtc-ip-handling-policy", "webrtc-ip-handling-policy",
}

// parseFlag splits "--name" or "--name=value" into chromedp's form, where a
// bare flag is true.
func parseFlag(flag string) (name string, value any, err error) {
	body, ok := strings.CutPrefix(flag, "--")
	name, text, hasValue := strings.Cut(body, "=")
	switch {
	case !ok || name == "" || strings.ContainsAny(name, " \t"):
		return "", nil, fmt.Errorf("browser flag %q: must look like --flag or --flag=value", flag)
	case slices.Contains(guarding, name):
		return "", nil, fmt.Errorf("browser flag %q: what the browser may reach is not up to flags", flag)
	case strings.HasPrefix(name, "remote-debugging-"):
		return "", nil, fmt.Errorf("browser flag %q: the browser is driven through a pipe, not a port", flag)
	case hasValue:
		return name, text, nil
	default:
		return name, true, nil
	}
}
