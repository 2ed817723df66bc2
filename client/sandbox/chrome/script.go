package chrome

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// maxExceptionText limits how much of an exception's text appears in an error, in
// runes.
const maxExceptionText = 200

// call runs a JavaScript function with arguments and returns its result. If the
// result is a promise, call waits for it. The function runs in an isolated world:
// it sees the page's document, but not the page's replacements of String, Promise
// and other built-in objects.
func call[T any](ctx context.Context, target *chromedp.Target, function string, args ...any) (T, error) {
	list := make([]string, len(args))
	for i, arg := range args {
		text, err := json.Marshal(arg)
		if err != nil {
			var none T
			return none, fmt.Errorf("argument of a page function: %w", err)
		}
		list[i] = string(text)
	}
	return evaluateIsolated[T](ctx, target, "("+function+")("+strings.Join(list, ", ")+")")
}

// evaluateIsolated evaluates an expression in an isolated world.
func evaluateIsolated[T any](ctx context.Context, target *chromedp.Target, expression string) (T, error) {
	top := cdp.FrameID(target.TargetID) // a page and its top frame have the same id
	world, err := cdp.Call(ctx, target, page.CreateIsolatedWorld, page.CreateIsolatedWorldParams{FrameID: top})
	if err != nil {
		var none T
		return none, fmt.Errorf("create an isolated world: %w", err)
	}
	in := func(p *runtime.EvaluateParams) { p.ContextID = world.ExecutionContextID }
	return chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise, in)(ctx, target)
}

// send sends a command that has no result.
func send[P any](ctx context.Context, target *chromedp.Target, cmd cdp.Command[P, cdp.Empty], params P) error {
	_, err := cdp.Call(ctx, target, cmd, params)
	return err
}

// exceptionText returns the first line of an exception's text, truncated to
// maxExceptionText. It returns "" if err is not an exception.
func exceptionText(err error) string {
	var thrown *chromedp.ExceptionError
	if !errors.As(err, &thrown) || thrown.ExceptionDetails == nil {
		return ""
	}
	text := thrown.ExceptionDetails.Text
	if object := thrown.ExceptionDetails.Exception; object != nil {
		switch {
		case object.Description != "":
			text = object.Description
		case len(object.Value) > 0:
			text = string(object.Value)
		}
	}
	text, _, _ = strings.Cut(strings.TrimSpace(text), "\n")
	if runes := []rune(text); len(runes) > maxExceptionText {
		text = string(runes[:maxExceptionText]) + "…"
	}
	return text
}
