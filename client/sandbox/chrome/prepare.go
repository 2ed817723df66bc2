package chrome

import (
	"context"
	_ "embed"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// popupsScript hides consent banners, dialogs and overlays.
//
//go:embed popups.js
var popupsScript string

func (r *run) delay(ctx context.Context) error { return pause(ctx, r.req.Delay) }

// hidePopups tries to hide popups. If the script fails, the page is shown as it
// is.
func (r *run) hidePopups(ctx context.Context) error {
	if !r.req.HidePopups {
		return nil
	}
	_, err := evaluateIsolated[chromedp.Void](ctx, r.target, popupsScript)
	if exceptionText(err) != "" {
		return nil
	}
	return err
}

// script runs the user's JavaScript like the browser's console, so it may use
// await. It then waits for a navigation that the script started. An exception or
// a rejected promise fails the screenshot.
func (r *run) script(ctx context.Context) error {
	if r.req.Script == "" {
		return nil
	}
	_, err := chromedp.Evaluate[chromedp.Void](r.req.Script, asConsole)(ctx, r.target)
	if thrown := exceptionText(err); thrown != "" {
		return userErrorf("script: %s", thrown)
	}
	if err != nil && !gone(err) {
		return err
	}
	return r.waitForNavigation(ctx)
}

// asConsole lets a script use await at the top level, redeclare variables, and
// call functions that require a user gesture.
func asConsole(p *runtime.EvaluateParams) {
	yes := true
	p.AwaitPromise, p.ReplMode, p.UserGesture = &yes, &yes, &yes
}
