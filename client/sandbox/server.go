package sandbox

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// Server is a running sandbox. Its methods are safe for concurrent use.
type Server struct {
	cfg      Config
	store    *store
	batches  *batches
	outputs  *outputs // nil if outputs are drawn on request
	sender   *webhookSender
	faults   faultControl
	base     atomic.Pointer[base]
	port     atomic.Int64  // local port of the latest request; 0 before the first
	linkKey  []byte        // key of the MAC in image URLs and of request ids
	requests atomic.Int64  // number of refused requests
	drawing  chan struct{} // limits how many decoded images are in memory
	work     *activity
	renders  chan *screenshot

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	close  func() error
}

// base is the public base URL of the sandbox.
type base struct {
	url     string // without a final slash; may be empty
	address Address
}

// New starts a sandbox. Its render and webhook workers run until Close. It does
// not listen: the caller must serve Handler. If a field of cfg is invalid, the
// error names it.
func New(cfg Config) (*Server, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Server{
		cfg:     cfg,
		store:   newStore(cfg.MaxScreenshots, cfg.FirstID, cfg.Balance),
		batches: &batches{maxRows: cfg.MaxScreenshots, now: cfg.Now, nextID: cfg.FirstID},
		linkKey: make([]byte, 32),
		drawing: make(chan struct{}, cfg.Workers),
		work:    newActivity(),
		// Large enough for all screenshots in processing, so that a create never
		// blocks.
		renders: make(chan *screenshot, cfg.MaxScreenshots),
	}
	if _, err := io.ReadFull(cfg.Rand, s.linkKey); err != nil {
		return nil, fmt.Errorf("sandbox: read random bytes: %w", err)
	}
	if _, ok := cfg.Renderer.(measurer); !ok {
		if s.outputs, err = openOutputs(cfg.Dir, cfg.MaxScreenshots, cfg.MaxOutputBytes); err != nil {
			return nil, err
		}
	}
	s.store.now = cfg.Now
	if err := s.SetFaults(cfg.Faults, cfg.Seed); err != nil {
		return nil, err
	}
	s.SetBaseURL(cfg.BaseURL)
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.sender = startWebhookSender(s.ctx, cfg, s.store, s.work)
	for range cfg.Workers {
		s.wg.Go(s.renderLoop)
	}
	s.close = sync.OnceValue(s.shutDown)
	return s, nil
}

// SetBaseURL sets the public base URL of the sandbox, for example
// http://127.0.0.1:8070. The image_url of later webhooks begins with it; if it is
// empty, image_url is only a path. Clients may use its host in addition to
// loopback, and pages that are being rendered cannot connect to it.
func (s *Server) SetBaseURL(address string) {
	address = strings.TrimRight(address, "/")
	s.base.Store(&base{url: address, address: addressOf(address)})
}

// address returns where clients reach the sandbox, as far as it is known.
func (s *Server) address() Address {
	a := s.base.Load().address
	if port := s.port.Load(); port != 0 {
		a.LocalPort = strconv.FormatInt(port, 10)
	}
	return a
}

// recordListenerPort records the local port of a request. Pages that are being
// rendered must not connect to it, even if the base URL is that of a proxy.
func (s *Server) recordListenerPort(r *http.Request) {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if ok && s.port.Load() != int64(local.Port) {
		s.port.Store(int64(local.Port))
	}
}

// Close stops rendering and deliveries, waits for the goroutines, closes the
// renderer and removes temporary files. Screenshots in processing stay in that
// status. Later calls return the result of the first.
func (s *Server) Close() error { return s.close() }

func (s *Server) shutDown() error {
	s.cancel()
	s.wg.Wait()
	s.sender.stop()
	err := s.cfg.Renderer.Close()
	if s.outputs != nil {
		err = errors.Join(err, s.outputs.close())
	}
	return err
}

// Idle waits until nothing is being rendered and no webhook is pending. It
// returns an error if ctx ends or the server is closed first.
func (s *Server) Idle(ctx context.Context) error {
	select {
	case <-s.work.idle():
		return nil
	case <-s.ctx.Done():
		return errors.New("sandbox: closed")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Handler returns the handler for the API under /api/v1, the images, the ledger,
// the faults and /healthz. It responds with 403 if the Host is neither loopback
// nor the host of the base URL; if the base URL has an unspecified address such
// as 0.0.0.0, any IP address is valid. It also refuses requests from web pages of
// other origins, which may only embed images.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	for name, e := range s.endpoints() {
		mux.Handle("/api/v1/"+name, s.api(name, e))
	}
	mux.Handle("/api/v1/", s.api("unknown", endpoint{http.MethodGet, s.noEndpoint}))
	mux.HandleFunc("/sandbox/ledger", s.showLedger)
	mux.HandleFunc("/sandbox/faults", s.manageFaults)
	mux.HandleFunc("GET /images/{name}", s.image)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]string{"status": "ok", "renderer": s.cfg.Renderer.Name()})
	})
	return s.guard(mux)
}

// endpoints returns the endpoints of the API by path, below /api/v1/.
func (s *Server) endpoints() map[string]endpoint {
	all := crawlEndpoints()
	maps.Copy(all, s.batchEndpoints())
	maps.Copy(all, map[string]endpoint{
		"screenshot/create":    {http.MethodGet, s.create},
		"screenshot/info":      {http.MethodGet, s.info},
		"screenshot/list":      {http.MethodGet, s.list},
		"screenshot/search":    {http.MethodGet, s.search},
		"screenshot/thumbnail": {http.MethodGet, s.thumbnail},
		"screenshot/html":      {http.MethodGet, s.html},
		"screenshot/pdf":       {http.MethodGet, s.pdf},
		"screenshot/video":     {http.MethodGet, s.video},
		"screenshot/delete":    {http.MethodGet, s.delete},
		"account/info":         {http.MethodGet, s.account},
	})
	return all
}

// Endpoints returns the paths of the API, below /api/v1/, in alphabetical order.
func Endpoints() []string {
	return slices.Sorted(maps.Keys(new(Server).endpoints()))
}

// imagePath returns the path of a screenshot's first image, below the base URL.
// The path contains a MAC of the folder and id that authorizes the request, so
// the server need not store it.
func (s *Server) imagePath(id int64, format string) string {
	ext := map[string]string{"png": ".png", "jpeg": ".jpg", "webp": ".webp"}[format]
	path := "/images/" + strconv.FormatInt(id, 10)
	mac := hmac.New(sha256.New, s.linkKey)
	mac.Write([]byte(path))
	return path + "-" + hex.EncodeToString(mac.Sum(nil)[:16]) + ext
}

// linkedID returns the id in the file name of an image URL, or 0 if there is
// none. It does not check the MAC; validLink does.
func linkedID(name string) int64 {
	number, _, _ := strings.Cut(name, "-")
	id, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return 0
	}
	return id
}

func validLink(r *http.Request, link string) bool {
	return subtle.ConstantTimeCompare([]byte(r.URL.Path), []byte(link)) == 1
}

// image serves the target of image_url. The response to any invalid URL is the
// same 404.
func (s *Server) image(w http.ResponseWriter, r *http.Request) {
	id := linkedID(r.PathValue("name"))
	shot, found := s.store.find(id)
	if !found || len(shot.result.images) == 0 || !validLink(r, s.imagePath(id, formatOf(shot.result.images))) {
		http.NotFound(w, r)
		return
	}
	p, err := s.renderedImage(r.Context(), shot, 0)
	if err != nil {
		s.cfg.Logger.Warn("sandbox image not served", "id", id, "error", err)
		http.NotFound(w, r)
		return
	}
	p.file("").write(w)
}
