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
	books    *books
	batches  *batches
	outputs  *outputs // nil when what was rendered is drawn on demand
	courier  *courier
	faults   faultControl
	base     atomic.Pointer[base]
	port     atomic.Int64  // where the latest request came in; 0 before the first
	linkKey  []byte        // makes addresses without a key unguessable
	requests atomic.Int64  // that were refused
	drawing  chan struct{} // bounds the pictures held decoded in memory
	work     *activity
	renders  chan *screenshot

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	close  func() error
}

// base is the public address of the sandbox's root.
type base struct {
	url     string // without a slash at the end; may be empty
	address Address
}

// New starts a sandbox: its render and webhook workers run until Close. It
// listens on nothing; serve Handler where it should be reached. An error
// names the Config field that is wrong.
func New(cfg Config) (*Server, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Server{
		cfg:     cfg,
		books:   newBooks(cfg.MaxScreenshots, cfg.FirstID, cfg.Balance),
		batches: &batches{maxRows: cfg.MaxScreenshots, now: cfg.Now, nextID: cfg.FirstID},
		linkKey: make([]byte, 32),
		drawing: make(chan struct{}, cfg.Workers),
		work:    newActivity(),
		// As many as can be processing, so that a create never waits here.
		renders: make(chan *screenshot, cfg.MaxScreenshots),
	}
	if _, err := io.ReadFull(cfg.Rand, s.linkKey); err != nil {
		return nil, fmt.Errorf("sandbox: read random bytes: %w", err)
	}
	if _, ok := cfg.Renderer.(measurer); !ok {
		if s.outputs, err = openOutputs(cfg.Dir, cfg.MaxScreenshots, cfg.MaxPictureBytes); err != nil {
			return nil, err
		}
	}
	s.books.now = cfg.Now
	if err := s.SetFaults(cfg.Faults, cfg.Seed); err != nil {
		return nil, err
	}
	s.SetBaseURL(cfg.BaseURL)
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.courier = startCourier(s.ctx, cfg, s.books, s.work)
	for range cfg.Workers {
		s.wg.Go(s.renderLoop)
	}
	s.close = sync.OnceValue(s.shutDown)
	return s, nil
}

// SetBaseURL tells the sandbox the public address of its root, for example
// http://127.0.0.1:8070. image_url of later webhooks starts with it (without
// one it is only a path), callers may use its host beside the loopback ones,
// and pages being rendered are kept away from it.
func (s *Server) SetBaseURL(address string) {
	address = strings.TrimRight(address, "/")
	s.base.Store(&base{url: address, address: addressOf(address)})
}

// address is where the sandbox is reached, as far as it knows by now.
func (s *Server) address() Address {
	a := s.base.Load().address
	if port := s.port.Load(); port != 0 {
		a.LocalPort = strconv.FormatInt(port, 10)
	}
	return a
}

// noteListener learns from a request where it came in: pages are kept away from
// there as well, also when the base URL is that of a proxy.
func (s *Server) noteListener(r *http.Request) {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if ok && s.port.Load() != int64(local.Port) {
		s.port.Store(int64(local.Port))
	}
}

// Close stops renders and deliveries, waits for their goroutines, closes the
// renderer and removes temporary pictures. What was still processing stays so.
// Repeated calls return the first result.
func (s *Server) Close() error { return s.close() }

func (s *Server) shutDown() error {
	s.cancel()
	s.wg.Wait()
	s.courier.stop()
	err := s.cfg.Renderer.Close()
	if s.outputs != nil {
		err = errors.Join(err, s.outputs.close())
	}
	return err
}

// Idle returns when nothing is being rendered and no webhook is waiting to be
// delivered, or with an error when ctx ends or the server is closed first.
func (s *Server) Idle(ctx context.Context) error {
	select {
	case <-s.work.quiet():
		return nil
	case <-s.ctx.Done():
		return errors.New("sandbox: closed")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Handler serves the API under /api/v1, images, the ledger, the faults and
// /healthz. It answers 403 to a Host that is neither loopback nor
// the base URL's (with an unspecified address there, such as 0.0.0.0, any IP
// address will do), and to web pages of other origins, which may show images
// only.
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

// endpoints are the paths of the API, below /api/v1/.
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

// Endpoints lists the paths of the API, below /api/v1/, in alphabetical order.
func Endpoints() []string {
	return slices.Sorted(maps.Keys(new(Server).endpoints()))
}

// imagePath is the address of a picture, below the base URL. It holds its own
// permission, a MAC of folder and id, so that it need not be remembered.
func (s *Server) imagePath(id int64, format string) string {
	ext := map[string]string{"png": ".png", "jpeg": ".jpg", "webp": ".webp"}[format]
	path := "/images/" + strconv.FormatInt(id, 10)
	mac := hmac.New(sha256.New, s.linkKey)
	mac.Write([]byte(path))
	return path + "-" + hex.EncodeToString(mac.Sum(nil)[:16]) + ext
}

// linkedID is the id in the name of a picture, 0 when there is none. Whether the
// address holds is linkHolds' to say.
func linkedID(name string) int64 {
	number, _, _ := strings.Cut(name, "-")
	id, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return 0
	}
	return id
}

func linkHolds(r *http.Request, link string) bool {
	return subtle.ConstantTimeCompare([]byte(r.URL.Path), []byte(link)) == 1
}

// image serves what image_url points to. Whatever is wrong with the address
// looks the same to the caller: not found.
func (s *Server) image(w http.ResponseWriter, r *http.Request) {
	id := linkedID(r.PathValue("name"))
	shot, found := s.books.find(id)
	if !found || len(shot.result.pictures) == 0 || !linkHolds(r, s.imagePath(id, formatOf(shot.result.pictures))) {
		http.NotFound(w, r)
		return
	}
	p, err := s.picture(r.Context(), shot, 0)
	if err != nil {
		s.cfg.Logger.Warn("sandbox image not served", "id", id, "error", err)
		http.NotFound(w, r)
		return
	}
	p.file("").write(w)
}
