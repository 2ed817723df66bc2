package sandbox

import (
	"context"
	"time"
)

// Renderer turns a URL into pictures and, when asked for, into HTML and PDF.
//
// The server calls Render from several goroutines at once (Config.Workers),
// so implementations must be safe for concurrent use.
type Renderer interface {
	// Render draws the page. It gives up when ctx ends. The text of the error
	// becomes the screenshot's `error`, so it must be readable by a customer
	// and must not carry secrets.
	Render(ctx context.Context, r RenderRequest) (Rendering, error)
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

// RenderRequest says what to draw and how. Zero fields mean "not asked for".
type RenderRequest struct {
	URL string // absolute http or https address

	Frame              // what of the page, and how large
	Device             // what the browser pretends to be
	Visit              // how the page is asked for
	Pace               // when the picture is taken
	HTML   bool        // also return the page's HTML after scripts ran
	PDF    *PDFOptions // also return the page as PDF; nil: no

	// Own is the sandbox that asks. Neither the page nor anything it loads may
	// come from there: it would order, and pay for, further screenshots.
	Own Address
}

// Frame is what of the page the picture shows and in which form.
type Frame struct {
	// FullPage asks for the whole page (size=page) instead of the viewport.
	FullPage bool
	// MaxHeight cuts a full page, in CSS px; 0 leaves only the renderer's own
	// limit.
	MaxHeight int
	// Target is a CSS selector: the picture shows that element alone. A page
	// without it fails.
	Target string

	// Width and Height are the size of the finished picture in px; 0 means as
	// rendered. When only one is given the other follows the page's aspect.
	Width, Height int

	Format  string // "png", "jpeg" or "webp"; empty means png
	Quality int    // 1-100 for jpeg and webp, 0 the encoder's default; ignored for png
}

// Device is what the browser pretends to be.
type Device struct {
	// ScreenWidth and ScreenHeight are the viewport in CSS px; 0 means
	// DefaultScreenWidth and DefaultScreenHeight.
	ScreenWidth, ScreenHeight int

	Scale     float64 // device pixels for each CSS px; 0 means 1
	Mobile    bool    // mobile viewport rules: meta viewport, overlay scrollbars
	Touch     bool    // touch events instead of a mouse
	Landscape bool    // the longer side lies: width and height are swapped if need be

	UserAgent string // empty means the browser's own
	Language  string // for example fr-FR; navigator.language and Accept-Language
	Timezone  string // IANA name, for example Europe/Paris
	Dark      bool   // prefers-color-scheme: dark
	Location  *Location
}

// Location is a place on earth that the page is told when it asks.
type Location struct{ Latitude, Longitude float64 } // degrees

// Visit is how the page is asked for.
type Visit struct {
	Header    []Pair  // request headers sent with the page and what it loads from its host
	Cookies   []Pair  // cookies of the page's host
	Referer   string  // for the page itself
	PostData  *string // the page is asked for by POST with this form body
	StrictSSL bool    // a bad certificate fails the screenshot
}

// Pair is a header or cookie.
type Pair struct{ Name, Value string }

// Pace is when the pictures are taken, and what happens before.
type Pace struct {
	// MaxWait ends the waiting for a page that never stops loading: what has
	// been drawn by then is the picture. 0 means that a page has to finish
	// loading before the renderer's timeout, or fail.
	MaxWait time.Duration
	Delay   time.Duration // pause between the page's load event and the picture

	HidePopups bool   // remove cookie banners and overlays, as well as can be told
	Script     string // JavaScript run in the page before the picture
	Steps      []Step // run in order before the picture

	Shots        int           // how many pictures; 0 means 1
	ShotInterval time.Duration // pause between two of them
}

// Pauses is how long the request itself wants the renderer to wait, at most. A
// limit for slow pages is counted beside it.
func (p Pace) Pauses() time.Duration {
	total := p.Delay + p.MaxWait + time.Duration(max(p.Shots-1, 0))*p.ShotInterval
	for _, step := range p.Steps {
		total += step.Wait
	}
	return total
}

// Step is one action in the page.
type Step struct {
	Command  StepCommand
	Selector string        // of the element concerned; for scroll: scroll to it; for click: empty means the middle of the screen
	Value    string        // for fill and type: the text
	Wait     time.Duration // for wait
	X, Y     int           // for scroll without selector: CSS px to scroll by
}

// StepCommand is the kind of a Step.
type StepCommand string

// The commands of steps, as the vendor's SDKs name them.
const (
	StepClick      StepCommand = "click"
	StepFill       StepCommand = "fill"   // replaces what the element holds
	StepType       StepCommand = "type"   // key by key, behind what it holds
	StepWait       StepCommand = "wait"   // for Wait, or until Selector is there
	StepScroll     StepCommand = "scroll" // to Selector, or by X and Y
	StepScreenshot StepCommand = "screenshot"
)

// PDFOptions are the form of a PDF.
type PDFOptions struct {
	Format     string // a3, a4, a5, legal, letter or tabloid; empty means a4
	Landscape  bool
	Background bool // print background colours and pictures
	OnePage    bool // one page as tall as the content
	Margin     Margin
}

// Margin is the blank border of a PDF page in centimetres.
type Margin struct{ Top, Right, Bottom, Left float64 }

// Rendering is what became of a page.
type Rendering struct {
	// Shots are the pictures in the order they were taken, at least one. Each
	// step screenshot adds one before those that RenderRequest.Shots asked for.
	Shots    []Picture
	HTML     []byte // nil unless asked for
	PDF      []byte // nil unless asked for
	FinalURL string // address after redirects
	Title    string // the page's title, may be empty
}

// Picture is one encoded picture.
type Picture struct {
	Data          []byte
	Format        string // "png", "jpeg" or "webp"
	Width, Height int    // px
}
