package chrome

import (
	"context"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
)

// How long and how often to look for an element.
const (
	elementWait  = 5 * time.Second
	elementPause = 50 * time.Millisecond
)

// element is the state of the first element that matches a selector.
type element struct {
	State string `json:"state"` // there, hidden (not drawn), none or invalid

	// The border box in CSS px, relative to the top left corner of the page, and
	// the scroll position of the page.
	Left, Top, Width, Height float64
	ScrollX, ScrollY         float64

	Covered bool // another element covers its center
}

// measureScript measures the element. It first scrolls the element to the
// position block ("center" or "start"), unless block is empty.
const measureScript = `(selector, block) => {
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

// find waits until an element matches the selector and scrolls to it. If drawn is
// true, the element must be visible. find waits at most limit, or until the page
// timeout if limit is 0. It continues if the page changes.
func (r *run) find(ctx context.Context, selector, block string, drawn bool, limit time.Duration) (element, error) {
	looking, stop := ctx, context.CancelFunc(func() {})
	if limit > 0 {
		looking, stop = context.WithTimeout(ctx, limit)
	}
	defer stop()
	seen := element{State: "none"}
	for {
		now, err := call[element](looking, r.target, measureScript, selector, block)
		switch {
		case err == nil:
			seen = now
		case looking.Err() == nil && !gone(err):
			return element{}, err
		}
		switch {
		case seen.State == "invalid":
			return element{}, userErrorf("%q is not a valid CSS selector", selector)
		case err == nil && (seen.State == "there" || seen.State == "hidden" && !drawn):
			return seen, nil
		}
		if pause(looking, elementPause) == nil {
			continue
		}
		if seen.State == "hidden" {
			return element{}, userErrorf("the element %q is not visible", selector)
		}
		return element{}, userErrorf("no element matches %q", selector)
	}
}

// click clicks or taps the center of the element, or the center of the screen if
// the selector is empty. If another element covers it, usually a banner, click
// calls the element's click method instead, because the other element would
// receive the click.
func (r *run) click(ctx context.Context, selector string) error {
	if selector == "" {
		middle, err := call[struct{ X, Y float64 }](ctx, r.target, `() => ({X: innerWidth / 2, Y: innerHeight / 2})`)
		if err != nil {
			return err
		}
		return r.clickAt(ctx, middle.X, middle.Y)
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
		return r.waitForNavigation(ctx)
	}
	return r.clickAt(ctx, at.Left+at.Width/2-at.ScrollX, at.Top+at.Height/2-at.ScrollY)
}

// clickAt clicks or taps a position on the screen.
func (r *run) clickAt(ctx context.Context, x, y float64) error {
	action := chromedp.MouseClickXY(x, y)
	if r.req.Touch {
		action = chromedp.TapXY(x, y)
	}
	if _, err := action(ctx, r.target); err != nil && !gone(err) {
		return err
	}
	return r.waitForNavigation(ctx)
}

// fillScript fills a field like a user. It bypasses the setters that frameworks
// define on fields, and dispatches the events that they expect. A select element
// accepts the value or the text of an option, a checkbox accepts true or false.
const fillScript = `(selector, value) => {
	const field = document.querySelector(selector);
	if (!field) return "is no longer on the page";
	field.focus();
	if (field.type === "checkbox" || field.type === "radio") {
		if (field.checked !== (value === "true")) field.click();
		return "";
	}
	const kind = [HTMLInputElement, HTMLTextAreaElement, HTMLSelectElement].find(k => field instanceof k);
	if (!kind && !field.isContentEditable) return "does not accept text";
	if (kind === HTMLInputElement && field.type === "file") return "accepts files, not text";
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
	problem, err := call[string](ctx, r.target, fillScript, selector, value)
	if err != nil && !gone(err) {
		return err
	}
	if problem != "" {
		return userErrorf("the element %q %s", selector, problem)
	}
	return r.waitForNavigation(ctx)
}

// focusScript focuses an element that accepts text.
const focusScript = `selector => {
	const field = document.querySelector(selector);
	if (!field) return "is no longer on the page";
	const text = field instanceof HTMLTextAreaElement ||
		field instanceof HTMLInputElement && !["button", "checkbox", "color", "file", "image", "radio", "range", "reset", "submit"].includes(field.type);
	if (!text && !field.isContentEditable) return "does not accept text";
	field.focus();
	return document.activeElement === field ? "" : "cannot be focused";
}`

// typeText types a text key by key after the content of the element.
func (r *run) typeText(ctx context.Context, selector, text string) error {
	if _, err := r.find(ctx, selector, "center", true, elementWait); err != nil {
		return err
	}
	problem, err := call[string](ctx, r.target, focusScript, selector)
	if err != nil && !gone(err) {
		return err
	}
	if problem != "" {
		return userErrorf("the element %q %s", selector, problem)
	}
	toEnd := input.DispatchKeyEventParams{Type: input.DispatchKeyEventTypeRawKeyDown, Commands: []string{"moveToEndOfDocument"}}
	if _, err := cdp.Call(ctx, r.target, input.DispatchKeyEvent, toEnd); err != nil && !gone(err) {
		return err
	}
	if _, err := chromedp.KeyEvent(text)(ctx, r.target); err != nil && !gone(err) {
		return err
	}
	return r.waitForNavigation(ctx)
}
