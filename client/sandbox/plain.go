package sandbox

import (
	"context"
	"fmt"
	"hash/fnv"
	"image"
	"image/color"
	"slices"

	"shotline/client/pageurl"
	"shotline/client/sandbox/raster"
)

// PlainRenderer draws a labeled placeholder instead of the page: a small browser
// window with host, path and size. Its color depends on the host name. It opens
// no connections and needs no other program. Equal requests produce equal images.
// The zero value is ready to use.
type PlainRenderer struct {
	// Fail simulates failures, unless it is nil: an error that it returns becomes
	// the screenshot's error. It is called concurrently.
	Fail func(url string) error
}

// measurer is a Renderer whose images depend only on the request. For a measurer
// the server stores no images: it measures them when a screenshot is created, and
// draws them on request.
type measurer interface {
	Renderer
	// Measure returns the same as Render without the outputs' data. It must be
	// fast.
	Measure(ctx context.Context, r RenderRequest) (Rendering, error)
}

var _ measurer = (*PlainRenderer)(nil)

// Name returns "plain".
func (p *PlainRenderer) Name() string { return "plain" }

// Close does nothing.
func (p *PlainRenderer) Close() error { return nil }

// Measure returns the properties of the rendering without drawing it.
func (p *PlainRenderer) Measure(ctx context.Context, r RenderRequest) (Rendering, error) {
	if err := ctx.Err(); err != nil {
		return Rendering{}, err
	}
	u, err := pageurl.Parse(r.URL)
	if err != nil {
		return Rendering{}, fmt.Errorf("invalid URL: %w", err)
	}
	if p.Fail != nil {
		if err := p.Fail(r.URL); err != nil {
			return Rendering{}, err
		}
	}
	w, h := pageSize(r)
	size, _, err := r.form().Plan(image.Rect(0, 0, w, h))
	if err != nil {
		return Rendering{}, err
	}
	pic := Image{Format: orElse(r.Format, "png"), Width: size.X, Height: size.Y}
	measured := Rendering{Shots: slices.Repeat([]Image{pic}, shotsOf(r)), FinalURL: r.URL, Title: u.Host}
	if r.HTML {
		measured.HTML = []byte{}
	}
	if r.PDF != nil {
		measured.PDF = []byte{}
	}
	return measured, nil
}

// Render draws the placeholder, which takes some tens of milliseconds at common
// sizes. A full page is two to four screens high.
func (p *PlainRenderer) Render(ctx context.Context, r RenderRequest) (Rendering, error) {
	measured, err := p.Measure(ctx, r)
	if err != nil {
		return Rendering{}, err
	}
	img, err := placeholder(r)
	if err != nil {
		return Rendering{}, err
	}
	if img, err = r.form().Apply(img); err != nil {
		return Rendering{}, err
	}
	data, err := raster.Encode(img, measured.Shots[0].Format, r.Quality)
	if err != nil {
		return Rendering{}, err
	}
	for i := range measured.Shots {
		measured.Shots[i].Data = data // all shots of a placeholder are equal
	}
	u, err := pageurl.Parse(r.URL)
	if err != nil {
		return Rendering{}, fmt.Errorf("invalid URL: %w", err)
	}
	if r.HTML {
		measured.HTML = plainHTML(u)
	}
	if r.PDF != nil {
		measured.PDF = plainPDF(u, *r.PDF)
	}
	return measured, nil
}

// form returns the size of the finished image.
func (f Frame) form() raster.Form { return raster.Form{Width: f.Width, Height: f.Height} }

// pageSize returns the size of the placeholder before scaling, in device px.
func pageSize(r RenderRequest) (int, int) {
	w, h := orElse(r.ScreenWidth, DefaultScreenWidth), orElse(r.ScreenHeight, DefaultScreenHeight)
	if r.Landscape && w < h {
		w, h = h, w
	}
	if r.FullPage {
		h *= 2 + int(hash(r.URL)%3)
		if r.MaxHeight > 0 {
			h = min(h, r.MaxHeight)
		}
	}
	px := func(css int) int { return min(int(float64(css)*orElse(r.Scale, 1)), raster.MaxSide) }
	return px(w), px(h)
}

func hash(text string) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(text))
	return h.Sum32()
}

// accents are muted colors on which white text is readable.
var accents = []color.RGBA{
	{0x3b, 0x6e, 0xa8, 0xff}, {0x2f, 0x85, 0x7a, 0xff}, {0x7a, 0x5c, 0xa6, 0xff}, {0xb0, 0x5a, 0x6b, 0xff},
	{0xb4, 0x72, 0x3a, 0xff}, {0x5b, 0x7f, 0x3f, 0xff}, {0x4a, 0x5f, 0x9e, 0xff}, {0x9a, 0x52, 0x8c, 0xff},
	{0x35, 0x7f, 0x99, 0xff}, {0xa0, 0x5f, 0x4a, 0xff}, {0x56, 0x6f, 0x86, 0xff}, {0x86, 0x7a, 0x35, 0xff},
}

var (
	white = color.RGBA{0xff, 0xff, 0xff, 0xff}
	ink   = color.RGBA{0x2b, 0x30, 0x38, 0xff}
	grey  = color.RGBA{0x7d, 0x85, 0x90, 0xff}
)

// placeholder draws the whole page at its original size.
func placeholder(r RenderRequest) (image.Image, error) {
	u, err := pageurl.Parse(r.URL)
	if err != nil {
		return nil, fmt.Errorf("invalid URL: %w", err)
	}
	w, h := pageSize(r)
	c, err := newCanvas(w, h)
	if err != nil {
		return nil, err
	}
	defer c.close()

	accent := accents[hash(u.Hostname())%uint32(len(accents))]
	paper := white
	if r.Dark {
		paper = ink
	}
	tint := mix(accent, paper, 0.86)
	unit := min(max(float64(w)/1280, 0.45), 3)
	px := func(n float64) float64 { return n * unit }
	width, height := float64(w), float64(h)

	// Background, shadow and window.
	c.fill(mix(accent, paper, 0.72))
	margin := px(40)
	for i := 6; i >= 1; i-- {
		spread := px(float64(i) * 3)
		c.box(margin-spread, margin-spread+px(6), width-2*(margin-spread), height-2*(margin-spread), px(18)+spread, fade(ink, 0.025))
	}
	c.box(margin, margin, width-2*margin, height-2*margin, px(16), paper)

	// Title bar: three buttons and the URL.
	bar := px(64)
	c.box(margin, margin, width-2*margin, bar, px(16), tint)
	c.box(margin, margin+bar/2, width-2*margin, bar/2, 0, tint)
	for i, dot := range []color.RGBA{{0xe5, 0x73, 0x6b, 0xff}, {0xe6, 0xb4, 0x50, 0xff}, {0x6f, 0xb5, 0x6a, 0xff}} {
		c.box(margin+px(24+float64(i)*26), margin+bar/2-px(8), px(16), px(16), px(8), dot)
	}
	pill := width - 2*margin - px(160)
	c.box(margin+px(120), margin+px(14), pill, bar-px(28), px(18), white)
	c.text(margin+px(142), margin+bar/2+px(6), px(18), regular, ink, pill-px(44), u.Host+u.EscapedPath())

	// Page header: host, path and size.
	top, head := margin+bar, px(250)
	left, inner := margin+px(56), width-2*margin-px(112)
	c.box(margin, top, width-2*margin, head, 0, accent)
	c.text(left, top+px(110), px(58), bold, white, inner, u.Host)
	c.text(left, top+px(160), px(28), regular, fade(white, 0.88), inner, orElse(u.EscapedPath(), "/"))
	extent := "screen"
	if r.FullPage {
		extent = "full page"
	}
	c.text(left, top+px(208), px(20), regular, fade(white, 0.72), inner, fmt.Sprintf("%d × %d, %s: placeholder drawn without a browser", w, h, extent))

	// Page content down to the end of the window: cards and lines that resemble
	// text.
	end := height - margin - px(30)
	stroke := func(x, y, w, thick float64, col color.RGBA) {
		if y+thick <= end {
			c.box(x, y, w, thick, thick/2, col)
		}
	}
	for y := top + head + px(44); y < end; y += px(430) {
		card := (inner - 2*px(28)) / 3
		for i := range 3 {
			x := left + float64(i)*(card+px(28))
			c.box(x, y, card, min(px(190), end-y), px(12), tint)
			stroke(x+px(22), y+px(26), card*0.35, px(18), mix(accent, paper, 0.45))
			for line := range 3 {
				stroke(x+px(22), y+px(74+float64(line)*32), card*[]float64{0.78, 0.66, 0.5}[line], px(12), mix(accent, paper, 0.7))
			}
		}
		for line := range 5 {
			stroke(left, y+px(228+float64(line)*34), inner*[]float64{1, 0.96, 0.98, 0.93, 0.6}[line], px(12), mix(grey, paper, 0.78))
		}
	}
	return c.img, c.err
}

// mix blends b into a. share is the share of b.
func mix(a, b color.RGBA, share float64) color.RGBA {
	blend := func(x, y uint8) uint8 { return uint8(float64(x)*(1-share) + float64(y)*share + 0.5) }
	return color.RGBA{blend(a.R, b.R), blend(a.G, b.G), blend(a.B, b.B), 0xff}
}

// fade returns a translucent color. It is premultiplied, as color.RGBA requires.
func fade(c color.RGBA, opacity float64) color.RGBA {
	part := func(x uint8) uint8 { return uint8(float64(x)*opacity + 0.5) }
	return color.RGBA{part(c.R), part(c.G), part(c.B), part(0xff)}
}
