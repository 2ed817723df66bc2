package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"time"

	"github.com/urfave/cli/v2"

	"shotline/client/sandbox"
	"shotline/client/sandbox/chrome"
	"shotline/client/sandbox/pages"
	"shotline/receiver/listener"
)

var (
	rendererFlag = &cli.StringFlag{Name: "renderer", Value: "auto", Usage: "`RENDERER`: chrome, plain (labelled placeholders), or auto: chrome if it is installed"}
	chromeFlag   = &cli.StringSliceFlag{Name: "chrome-flag", Usage: "pass a `FLAG` such as --lang=de to the browser (repeatable)"}
	tabsFlag     = &cli.IntFlag{Name: "tabs", DefaultText: "two for each CPU", Usage: "pages rendered at a time"}
	memoryFlag   = &cli.IntFlag{Name: "page-memory", Value: chrome.DefaultPageMemory >> 20, Usage: "memory limit of one page in `MIB`; a larger page fails. The browser itself gets one page more than it has tabs"}
	pageTimeFlag = &cli.DurationFlag{Name: "page-timeout", Value: 20 * time.Second, Usage: "time limit of one page, not counting the delays that its request asks for"}
)

// minPageMemory is the smallest --page-memory, in MiB: the memory of an empty
// page with some reserve.
const minPageMemory = 128

// renderGrace is how much longer the sandbox waits than its browser, so that the
// browser's error arrives first. It names the part of the page that was not
// ready.
const renderGrace = 5 * time.Second

func sandboxCommand() *cli.Command {
	return &cli.Command{
		Name:        "sandbox",
		Usage:       "run a local ScreenshotCenter-compatible API that renders with a real browser",
		Description: faultsHelp(),
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "listen", Value: "127.0.0.1:8070", Usage: "`ADDRESS` of the API"},
			&cli.BoolFlag{Name: "allow-remote", Usage: "allow --listen on other addresses than loopback; anybody with the key can then make this machine open any page"},
			&cli.StringFlag{Name: "public-url", Usage: "`URL` by which callers reach the sandbox, if it is not http://LISTEN"},
			&cli.StringFlag{Name: "api-key", Value: sandbox.DefaultAPIKey, Usage: "`KEY` that callers must send"},
			&cli.StringFlag{Name: "webhook-url", Value: "http://127.0.0.1:8080" + WebhookPath, Usage: "`URL` that webhooks are sent to"},
			&cli.StringFlag{Name: "webhook-secret", EnvVars: []string{"WEBHOOK_SECRET"}, Usage: "`SECRET` that signs webhooks; empty: unsigned"},
			&cli.StringFlag{Name: "dialect", Value: string(sandbox.DialectA), Usage: "`DIALECT` of the webhooks: A (guide) or B (product page)"},
			&cli.StringSliceFlag{Name: "app-id", Usage: "send webhooks only for this app `ID` (repeatable); default: any app"},
			faultFlag, seedFlag, balanceFlag,
			&cli.IntFlag{Name: "list-limit", Value: 100, Usage: "largest page of a listing, in `ROWS`"},
			listFormFlag, bareFlag, anyCountryFlag, sleepUnitFlag, intervalFlag,
			rendererFlag, chromeFlag, tabsFlag, pageTimeFlag, memoryFlag, privateFlag, logFlag, configFlag,
		},
		Action: serveSandbox,
	}
}

func serveSandbox(c *cli.Context) error {
	if c.Args().Present() {
		return badUsage("sandbox takes no arguments, got %q", c.Args().First())
	}
	log, err := newLogger(c, slog.LevelInfo)
	if err != nil {
		return err
	}
	surviveHangups(c, log)
	if err := checkExposure(c); err != nil {
		return err
	}
	wrong, err := faults(c)
	if err != nil {
		return err
	}
	credits, err := balance(c)
	if err != nil {
		return err
	}
	cfg := sandbox.Config{
		BaseURL:       c.String("public-url"),
		APIKey:        c.String("api-key"),
		WebhookURL:    c.String("webhook-url"),
		WebhookSecret: c.String("webhook-secret"),
		Dialect:       sandbox.Dialect(c.String("dialect")),
		AppIDs:        c.StringSlice("app-id"),
		Faults:        wrong,
		Seed:          int64(c.Int(seedFlag.Name)),
		Balance:       credits,
		ListLimit:     c.Int("list-limit"),
		Workers:       tabs(c),
		PageTimeout:   c.Duration(pageTimeFlag.Name) + renderGrace,
		Logger:        log,
	}
	if err := responseForms(c, &cfg); err != nil {
		return err
	}
	if cfg.Renderer, err = newRenderer(c, log); err != nil {
		return err
	}
	s, err := startSandbox(cfg, c.String("listen"), log)
	if err != nil {
		return err
	}
	if host, _, _ := net.SplitHostPort(c.String("listen")); c.String("public-url") == "" && (host == "" || net.ParseIP(host).IsUnspecified()) {
		log.Warn("callers cannot follow links in webhooks and batches: set --public-url to the address of this machine", "links", s.url)
	}
	log.Info("sandbox", "api", s.url+"/api/v1", "webhooks", c.String("webhook-url"), "renderer", cfg.Renderer.Name())
	select {
	case <-c.Context.Done():
		err = nil
	case err = <-s.served:
	}
	return errors.Join(err, s.stop())
}

// newRenderer returns the renderer that --renderer selects.
func newRenderer(c *cli.Context, log *slog.Logger) (sandbox.Renderer, error) {
	if n := c.Int(tabsFlag.Name); n < 0 {
		return nil, badUsage("--tabs %d: want a number of pages", n)
	}
	pageMemory := chrome.DefaultPageMemory >> 20
	if findFlag(c.Command.Flags, memoryFlag.Name) != nil {
		if pageMemory = c.Int(memoryFlag.Name); pageMemory < minPageMemory {
			return nil, badUsage("--page-memory %d: want %d or more, in MiB", pageMemory, minPageMemory)
		}
	}
	private, err := privateNetworks(c)
	if err != nil {
		return nil, err
	}
	plain := &sandbox.PlainRenderer{Fail: pages.Fail}
	kind := c.String(rendererFlag.Name)
	switch kind {
	case "plain":
		return plain, nil
	case "auto", "chrome":
	default:
		return nil, badUsage("--renderer %q: want chrome, plain or auto", kind)
	}
	path, found := chrome.Find()
	if !found && kind == "auto" {
		log.Warn("no Chrome or Chromium found: images are placeholders (CHROME_PATH can name a browser)")
		return plain, nil
	}
	browser, err := chrome.New(chrome.Config{
		Path: path, Flags: c.StringSlice(chromeFlag.Name), Tabs: tabs(c), PageTimeout: c.Duration(pageTimeFlag.Name),
		Logger: log, Pages: pages.Handler(), Fail: pages.Fail, AllowPrivate: private, PageMemory: int64(pageMemory) << 20,
	})
	if err != nil && kind == "auto" {
		log.Warn("the browser does not start: images are placeholders", "browser", path, "error", err)
		return plain, nil
	}
	return browser, err
}

func tabs(c *cli.Context) int {
	if n := c.Int(tabsFlag.Name); n > 0 {
		return n
	}
	return 2 * runtime.NumCPU()
}

// runningSandbox is a sandbox that serves HTTP.
type runningSandbox struct {
	*sandbox.Server
	url    string
	http   *http.Server
	served chan error
}

func startSandbox(cfg sandbox.Config, address string, log *slog.Logger) (*runningSandbox, error) {
	ln, err := listen("listen", address)
	if err != nil {
		return nil, errors.Join(err, cfg.Renderer.Close())
	}
	if cfg.BaseURL == "" {
		cfg.BaseURL = "http://" + ln.Addr().String()
	}
	server, err := sandbox.New(cfg)
	if err != nil {
		return nil, errors.Join(badUsage("%w", err), ln.Close(), cfg.Renderer.Close())
	}
	s := &runningSandbox{
		Server: server, url: cfg.BaseURL, served: make(chan error, 1),
		http: &http.Server{
			Handler:           server.Handler(),
			ReadHeaderTimeout: 5 * time.Second,
			IdleTimeout:       2 * time.Minute,
			ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		},
	}
	guarded := listener.New(ln, listener.Config{Name: "sandbox", MaxConnections: clamp(2, descriptors()/2, maxConnections), Logger: log})
	guarded.Guard(s.http)
	go func() { s.served <- s.http.Serve(guarded) }()
	return s, nil
}

func (s *runningSandbox) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.http.Close()
	}
	if err := errors.Join(err, s.Close()); err != nil {
		return fmt.Errorf("stop sandbox: %w", err)
	}
	return nil
}
