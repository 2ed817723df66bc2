package chrome

import (
	"context"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
)

// How long and how often an element is looked for before it counts as missing.
const (
	elementWait  = 5 * time.Second
	elementPause = 50 * time.Millisecond
)

// element is what the page says of the first element that a selector names.
type element struct {
	State string `json:"state"` // there, hidden (nothing of it is drawn), none or invalid

	// The border box in CSS px from the page's upper left corner, and how far
	// the page is scrolled.
	Left, Top, Width, Height float64
	ScrollX, ScrollY         float64

	Covered bool // another element lies over its middle
}

// lookUp scrolls the element to where block says ("center", "start"; empty:
// nowhere) and measures it.
const lookUp = `(selector, block) => {
	let found;
	try { found = document.querySelector(selector) } catch { return {state: "invalid"} }
	if (!found) return {state: "none"};
	if (block) found.scrollIntoView({block, inline: "nearest", behavior: "instant"});
	const box = found.getBoundingClientRect();
	const top = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
	const drawn = box.width > 0 && box.height > 0 && found.checkVisibility({visibilityProperty: true});
	return {
		state: drawn ? "there" : "hidden",
		Left: box.left + scrollX, Top: box.top + scrollY, Width: box.width, Height: box.height,
		ScrollX: scrollX, ScrollY: scrollY,
		Covered: !found.contains(top),
	};
}`

// find waits until the selector names an element, one that is drawn if it has
// to be, and scrolls to it. It looks for no longer than limit, and through
// changes of the page; 0 means until the page timeout.
func (r *run) find(ctx context.Context, selector, block string, drawn bool, limit time.Duration) (element, error) {
	looking, stop := ctx, context.CancelFunc(func() {})
	if limit > 0 {
		looking, stop = context.WithTimeout(ctx, limit)
	}
	defer stop()
	seen := element{State: "none"}
	for {
		now, err := call[element](looking, r.target, lookUp, selector, block)
		switch {
		case err == nil:
			seen = now
		case looking.Err() == nil && !gone(err):
			return element{}, err
		}
		switch {
		case seen.State == "invalid":
			return element{}, faultf("%q is not a valid CSS selector", selector)
		case err == nil && (seen.State == "there" || seen.State == "hidden" && !drawn):
			return seen, nil
		}
		if pause(looking, elementPause) == nil {
			continue
		}
		if seen.State == "hidden" {
			return element{}, faultf("the element %q is not visible", selector)
		}
		return element{}, faultf("no element matches %q", selector)
	}
}

// click presses the element in its middle, by finger or by mouse; without a
// selector it presses the middle of the screen. An element that another one
// covers is clicked by script instead: the press would go to the cover, usually
// a banner.
func (r *run) click(ctx context.Context, selector string) error {
	if selector == "" {
		middle, err := call[struct{ X, Y float64 }](ctx, r.target, `() => ({X: innerWidth / 2, Y: innerHeight / 2})`)
		if err != nil {
			return err
		}
		return r.press(ctx, middle.X, middle.Y)
	}
	at, err := r.find(ctx, selector, "center", true, elementWait)
	if err != nil {
		return err
	}
	if at.Covered {
		_, err = call[chromedp.Void](ctx, r.target, `selector => document.querySelector(selector)?.click()`, selector)
		if err != nil && !gone(err) {
			return err
		}
		return r.arrive(ctx)
	}
	return r.press(ctx, at.Left+at.Width/2-at.ScrollX, at.Top+at.Height/2-at.ScrollY)
}

// press clicks at a place of the screen.
func (r *run) press(ctx context.Context, x, y float64) error {
	action := chromedp.MouseClickXY(x, y)
	if r.req.Touch {
		action = chromedp.TapXY(x, y)
	}
	if _, err := action(ctx, r.target); err != nil && !gone(err) {
		return err
	}
	return r.arrive(ctx)
}

// enter writes into a field as if somebody had typed: past the setters that
// frameworks put on fields, and with the events that they wait for. A choice
// list takes the value or the text of an option, a box to tick takes true or
// false.
const enter = `(selector, value) => {
	const field = document.querySelector(selector);
	if (!field) return "left the page";
	field.focus();
	if (field.type === "checkbox" || field.type === "radio") {
		if (field.checked !== (value === "true")) field.click();
		return "";
	}
	const kind = [HTMLInputElement, HTMLTextAreaElement, HTMLSelectElement].find(k => field instanceof k);
	if (!kind && !field.isContentEditable) return "takes no text";
	if (kind === HTMLInputElement && field.type === "file") return "takes files, not text";
	if (kind === HTMLSelectElement) {
		const option = [...field.options].find(o => o.value === value || o.text.trim() === value);
		if (!option) return "has no option " + JSON.stringify(value);
		value = option.value;
	}
	if (kind) Object.getOwnPropertyDescriptor(kind.prototype, "value").set.call(field, value);
	else field.textContent = value;
	field.dispatchEvent(new InputEvent("input", {bubbles: true, inputType: "insertText", data: value}));
	field.dispatchEvent(new Event("change", {bubbles: true}));
	return "";
}`

func (r *run) fill(ctx context.Context, selector, value string) error {
	if _, err := r.find(ctx, selector, "center", false, elementWait); err != nil {
		return err
	}
	trouble, err := call[string](ctx, r.target, enter, selector, value)
	if err != nil && !gone(err) {
		return err
	}
	if trouble != "" {
		return faultf("the element %q %s", selector, trouble)
	}
	return r.arrive(ctx)
}

// focus gives the keyboard to an element that takes text.
const focus = `selector => {
	const field = document.querySelector(selector);
	if (!field) return "left the page";
	const text = field instanceof HTMLTextAreaElement ||
		field instanceof HTMLInputElement && !["button", "checkbox", "color", "file", "image", "radio", "range", "reset", "submit"].includes(field.type);
	if (!text && !field.isContentEditable) return "takes no text";
	field.focus();
	return document.activeElement === field ? "" : "does not take the keyboard";
}`

// typeText presses the keys of a text, one after another, behind what the
// element holds.
func (r *run) typeText(ctx context.Context, selector, text string) error {
	if _, err := r.find(ctx, selector, "center", true, elementWait); err != nil {
		return err
	}
	trouble, err := call[string](ctx, r.target, focus, selector)
	if err != nil && !gone(err) {
		return err
	}
	if trouble != "" {
		return faultf("the element %q %s", selector, trouble)
	}
	behind := input.DispatchKeyEventParams{Type: input.DispatchKeyEventTypeRawKeyDown, Commands: []string{"moveToEndOfDocument"}}
	if _, err := cdp.Call(ctx, r.target, input.DispatchKeyEvent, behind); err != nil && !gone(err) {
		return err
	}
	if _, err := chromedp.KeyEvent(text)(ctx, r.target); err != nil && !gone(err) {
		return err
	}
	return r.arrive(ctx)
}
