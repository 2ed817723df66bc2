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

// maxExceptionText bounds what a page's own words may add to a reason.
const maxExceptionText = 200

// call runs a JavaScript function with the arguments, waits when it returns a
// promise, and reads its result. The function sees the page's document as it is,
// and nothing that the page's scripts have put in place of String, Promise and
// the like: it runs in a world of its own.
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
	return aside[T](ctx, target, "("+function+")("+strings.Join(list, ", ")+")")
}

// aside evaluates an expression in the world of call.
func aside[T any](ctx context.Context, target *chromedp.Target, expression string) (T, error) {
	top := cdp.FrameID(target.TargetID) // a page and its top frame share their id
	world, err := cdp.Call(ctx, target, page.CreateIsolatedWorld, page.CreateIsolatedWorldParams{FrameID: top})
	if err != nil {
		var none T
		return none, fmt.Errorf("make a world aside: %w", err)
	}
	in := func(p *runtime.EvaluateParams) { p.ContextID = world.ExecutionContextID }
	return chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise, in)(ctx, target)
}

// send gives the browser a command that answers nothing.
func send[P any](ctx context.Context, target *chromedp.Target, cmd cdp.Command[P, cdp.Empty], params P) error {
	_, err := cdp.Call(ctx, target, cmd, params)
	return err
}

// exceptionText is what a script threw: the first line, bounded. It is empty
// when err is no exception.
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
