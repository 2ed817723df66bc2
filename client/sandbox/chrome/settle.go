package chrome

import (
	"context"
	_ "embed"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// popupsScript hides what covers a page.
//
//go:embed popups.js
var popupsScript string

func (r *run) delay(ctx context.Context) error { return pause(ctx, r.req.Delay) }

// hidePopups is best effort: a page in which it fails is shown as it is.
func (r *run) hidePopups(ctx context.Context) error {
	if !r.req.HidePopups {
		return nil
	}
	_, err := aside[chromedp.Void](ctx, r.target, popupsScript)
	if exceptionText(err) != "" {
		return nil
	}
	return err
}

// script runs the customer's JavaScript as the browser's console would, so it
// may await, and waits for the page that it may call up. What it throws, or
// what the promise that it ends with is rejected with, fails the screenshot.
func (r *run) script(ctx context.Context) error {
	if r.req.Script == "" {
		return nil
	}
	_, err := chromedp.Evaluate[chromedp.Void](r.req.Script, asConsole)(ctx, r.target)
	if thrown := exceptionText(err); thrown != "" {
		return faultf("script: %s", thrown)
	}
	if err != nil && !gone(err) {
		return err
	}
	return r.arrive(ctx)
}

// asConsole lets a script await at its top level, declare what was declared
// before, and use what needs a user's gesture.
func asConsole(p *runtime.EvaluateParams) {
	yes := true
	p.AwaitPromise, p.ReplMode, p.UserGesture = &yes, &yes, &yes
}
