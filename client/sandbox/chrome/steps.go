package chrome

import (
	"context"
	"errors"
	"fmt"

	"github.com/chromedp/chromedp"

	"shotline/client/sandbox"
)

// steps runs the steps in order. If a step fails, the error contains its number
// and command.
func (r *run) steps(ctx context.Context) error {
	for i, step := range r.req.Steps {
		name := fmt.Sprintf("step %d (%s)", i+1, step.Command)
		r.stage = name + " did not end"
		err := r.step(ctx, step)
		var userErr userError
		if errors.As(err, &userErr) {
			return userErrorf("%s: %s", name, userErr)
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
		return r.capture(ctx)
	default:
		return userErrorf("unknown command")
	}
}

// wait pauses. If the step has a selector, wait returns as soon as an element
// matches it, and fails after the pause, or at the page timeout if there is no
// pause.
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
