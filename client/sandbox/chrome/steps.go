package chrome

import (
	"context"
	"errors"
	"fmt"

	"github.com/chromedp/chromedp"

	"shotline/client/sandbox"
)

// steps runs the steps in order. The first that fails ends the render, with a
// reason that names it by number, command and selector.
func (r *run) steps(ctx context.Context) error {
	for i, step := range r.req.Steps {
		name := fmt.Sprintf("step %d (%s)", i+1, step.Command)
		r.stage = name + " did not end"
		err := r.step(ctx, step)
		var told fault
		if errors.As(err, &told) {
			return faultf("%s: %s", name, told)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (r *run) step(ctx context.Context, step sandbox.Step) error {
	switch step.Command {
	case sandbox.StepClick:
		return r.click(ctx, step.Selector)
	case sandbox.StepFill:
		return r.fill(ctx, step.Selector, step.Value)
	case sandbox.StepType:
		return r.typeText(ctx, step.Selector, step.Value)
	case sandbox.StepWait:
		return r.wait(ctx, step)
	case sandbox.StepScroll:
		return r.scroll(ctx, step)
	case sandbox.StepScreenshot:
		return r.shoot(ctx)
	default:
		return faultf("unknown command")
	}
}

// wait is a pause or, with a selector, lasts until the element is there: at
// most as long as the pause, or as the page may take when none is named.
func (r *run) wait(ctx context.Context, step sandbox.Step) error {
	if step.Selector == "" {
		return pause(ctx, step.Wait)
	}
	_, err := r.find(ctx, step.Selector, "", false, step.Wait)
	return err
}

func (r *run) scroll(ctx context.Context, step sandbox.Step) error {
	if step.Selector != "" {
		_, err := r.find(ctx, step.Selector, "start", false, elementWait)
		return err
	}
	_, err := call[chromedp.Void](ctx, r.target,
		`(x, y) => scrollBy({left: x, top: y, behavior: "instant"})`, step.X, step.Y)
	return err
}
