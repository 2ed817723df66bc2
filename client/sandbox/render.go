package sandbox

import (
	"context"
	"time"
)

// Renderer renders a URL to images and, if requested, to HTML and PDF.
// Implementations must be safe for concurrent use: the server calls Render from
// Config.Workers goroutines.
type Renderer interface {
	// Render renders a page. It returns when ctx ends. The text of an error becomes
	// the screenshot's `error`, so it must be understandable for a customer and
	// must not contain secrets.
	Render(ctx context.Context, r RenderRequest) (Rendering, error)
	// Name returns the renderer's name for logs and the ledger, for example
	// "chrome" or "plain".
	Name() string
	// Close releases the renderer's resources. It must not be called during a
	// Render.
	Close() error
}

// Default screen size.
const (
	DefaultScreenWidth  = 1280 // CSS px
	DefaultScreenHeight = 800  // CSS px
)

// RenderRequest describes a page and how to render it. Zero values mean that an
// option was not given.
type RenderRequest struct {
	URL string // absolute http or https URL

	Frame              // part of the page, and size of the image
	Device             // emulated device
	Visit              // HTTP request for the page
	Pace               // timing and steps
	HTML   bool        // also return the page's HTML after scripts ran
	PDF    *PDFOptions // also return the page as PDF, unless nil

	// Own is the address of the sandbox. The page and its resources must not be
	// loaded from there, because such a request could create and pay for further
	// screenshots.
	Own Address
}

// Frame is the part of the page that the image shows, and the image's format.
type Frame struct {
	// FullPage selects the whole page (size=page) instead of the viewport.
	FullPage bool
	// MaxHeight limits the height of a full page, in CSS px. 0 means only the
	// renderer's own limit.
	MaxHeight int
	// Target is a CSS selector. If it is set, the image shows only that element.
	// The screenshot fails if the page does not have it.
	Target string

	// Width and Height are the size of the finished image in px. If only one is
	// given, the other follows from the aspect ratio. If both are 0, the image
	// keeps its rendered size.
	Width, Height int

	Format  string // "png", "jpeg" or "webp"; empty means png
	Quality int    // 1 to 100 for jpeg and webp; 0 means the encoder's default; ignored for png
}

// Device is the device that the browser emulates.
type Device struct {
	// ScreenWidth and ScreenHeight are the size of the viewport in CSS px. 0 means
	// DefaultScreenWidth and DefaultScreenHeight.
	ScreenWidth, ScreenHeight int

	Scale     float64 // device px per CSS px; 0 means 1
	Mobile    bool    // rules of a mobile viewport: meta viewport, overlay scrollbars
	Touch     bool    // touch events instead of a mouse
	Landscape bool    // swap width and height if the screen is higher than wide

	UserAgent string // empty means the browser's own
	Language  string // for navigator.language and Accept-Language, for example fr-FR
	Timezone  string // IANA name, for example Europe/Paris
	Dark      bool   // prefers-color-scheme: dark
	Location  *Location
}

// Location is the geographic location that the browser reports to the page.
type Location struct{ Latitude, Longitude float64 } // degrees

// Visit is how the page is requested.
type Visit struct {
	Header    []Pair  // request headers for the page and for resources from its host
	Cookies   []Pair  // cookies of the page's host
	Referer   string  // only for the page
	PostData  *string // if set, the page is requested by POST with this form body
	StrictSSL bool    // an invalid certificate fails the screenshot
}

// Pair is a header or cookie.
type Pair struct{ Name, Value string }

// Pace is when the images are taken, and what is done in the page before.
type Pace struct {
	// MaxWait limits the wait for a page that does not finish loading. After it,
	// the image shows the page as it is. 0 means that a page fails if it does not
	// finish loading before the renderer's timeout.
	MaxWait time.Duration
	Delay   time.Duration // pause between the page's load event and the image

	HidePopups bool   // try to remove cookie banners and overlays
	Script     string // JavaScript that runs in the page before the image
	Steps      []Step // run in order before the image

	Images       int           // number of images; 0 means 1
	ShotInterval time.Duration // pause between two images
}

// Pauses returns the longest time that the renderer waits because the request
// says so. Limits for slow pages do not include it.
func (p Pace) Pauses() time.Duration {
	total := p.Delay + p.MaxWait + time.Duration(max(p.Images-1, 0))*p.ShotInterval
	for _, step := range p.Steps {
		total += step.Wait
	}
	return total
}

// Step is one action in the page.
type Step struct {
	Command  StepCommand
	Selector string        // element of the step; for click, empty means the center of the screen
	Value    string        // for fill and type: the text
	Wait     time.Duration // for wait
	X, Y     int           // for scroll without Selector: CSS px
}

// StepCommand is the kind of a Step.
type StepCommand string

// Commands of steps, named as in the vendor's SDKs.
const (
	StepClick      StepCommand = "click"
	StepFill       StepCommand = "fill"   // replaces the content of the element
	StepType       StepCommand = "type"   // appends to the content of the element, key by key
	StepWait       StepCommand = "wait"   // waits for Wait, or until Selector exists
	StepScroll     StepCommand = "scroll" // scrolls to Selector, or by X and Y
	StepScreenshot StepCommand = "screenshot"
)

// PDFOptions describe a PDF.
type PDFOptions struct {
	Format     string // a3, a4, a5, legal, letter or tabloid; empty means a4
	Landscape  bool
	Background bool // print background colors and images
	OnePage    bool // one page as high as the content
	Margin     Margin
}

// Margin is the blank border of a PDF page in centimeters.
type Margin struct{ Top, Right, Bottom, Left float64 }

// Rendering is the result of rendering a page.
type Rendering struct {
	// Shots are the images in the order in which they were taken, at least one.
	// Images of screenshot steps come before those of RenderRequest.Shots.
	Shots    []Image
	HTML     []byte // nil unless requested
	PDF      []byte // nil unless requested
	FinalURL string // URL after redirects
	Title    string // title of the page; may be empty
}

// Image is one encoded image.
type Image struct {
	Data          []byte
	Format        string // "png", "jpeg" or "webp"
	Width, Height int    // px
}
