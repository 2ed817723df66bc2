package sandbox

import "context"

// Renderer turns a URL into a picture.
//
// The server calls Render from several goroutines at once (Config.Workers),
// so implementations must be safe for concurrent use.
type Renderer interface {
	// Render draws the page. It gives up when ctx ends. The text of the error
	// becomes the screenshot's `error`, so it must be readable by a customer
	// and must not carry secrets.
	Render(ctx context.Context, r RenderRequest) (Picture, error)
	// Name identifies the renderer in logs and in the ledger: "chrome" or "plain".
	Name() string
	// Close frees what the renderer holds; no Render may be running.
	Close() error
}

// Screen size used when a request names none.
const (
	DefaultScreenWidth  = 1280 // CSS px
	DefaultScreenHeight = 800  // CSS px
)

// RenderRequest says what to draw and how.
type RenderRequest struct {
	URL string // absolute http or https address

	// FullPage asks for the whole page (size=page) instead of the viewport.
	FullPage bool

	// Width and Height are the size of the finished picture in px; 0 means as
	// rendered. When only one is given the other follows the page's aspect.
	Width, Height int

	// ScreenWidth and ScreenHeight are the viewport in CSS px; 0 means
	// DefaultScreenWidth and DefaultScreenHeight.
	ScreenWidth, ScreenHeight int

	Format  string // "png" or "jpeg"
	Quality int    // JPEG quality 1-100, 0 means the encoder's default; ignored for PNG

	// Own is the sandbox that asks. Neither the page nor anything it loads may
	// come from there: it would order, and pay for, further screenshots.
	Own Address
}

// Picture is one finished rendering.
type Picture struct {
	Data          []byte // the encoded picture
	Format        string // "png" or "jpeg"
	Width, Height int    // size of the encoded picture in px
	FinalURL      string // address after redirects
	Title         string // the page's title, may be empty
}
