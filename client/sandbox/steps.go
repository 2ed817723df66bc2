package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Limits for steps and pauses. The vendor documents none.
const (
	maxSteps      = 50
	maxShots      = 20 // images, including those of steps
	maxPause      = time.Minute
	maxPauses     = 3 * time.Minute // all pauses of a create together
	maxScript     = 64 << 10        // bytes
	maxSelector   = 1024            // bytes
	maxScrollSpan = 1_000_000
)

// pace reads when the images are taken, and what is done in the page before.
func (p *params) pace() Pace {
	pace := Pace{
		Delay:        p.seconds("delay"),
		MaxWait:      p.seconds("max_wait"),
		HidePopups:   p.flag("hide_popups"),
		Script:       p.query.Get("script_inline"),
		Images:       p.integer("shots", 1, maxShots, 1),
		ShotInterval: p.interval("shot_interval"),
	}
	if len(pace.Script) > maxScript {
		p.refuse("script_inline", fmt.Sprintf("must not be longer than %d bytes", maxScript))
	}
	var err error
	if pace.Steps, err = parseSteps(p.query.Get("steps"), p.units.sleep); err != nil {
		p.refuse("steps", err.Error())
	}
	if pace.Pauses() > maxPauses {
		p.refuse("shot_interval", fmt.Sprintf("and the other pauses must not exceed %v in total", maxPauses))
	}
	taken := pace.Images
	for _, step := range pace.Steps {
		if step.Command == StepScreenshot {
			taken++
		}
	}
	if taken > maxShots {
		p.refuse("shots", fmt.Sprintf("and screenshot steps must not exceed %d images in total", maxShots))
	}
	return pace
}

// seconds reads a pause in seconds.
func (p *params) seconds(name string) time.Duration {
	return time.Duration(p.number(name, 0, maxPause.Seconds(), 0) * float64(time.Second))
}

// interval reads a pause in the configured unit.
func (p *params) interval(name string) time.Duration {
	unit := orElse(p.units.interval, time.Millisecond)
	return time.Duration(p.integer(name, 0, int(maxPause/unit), 0)) * unit
}

// wireStep is a step as the SDKs send it. Numbers might be sent as strings.
type wireStep struct {
	Command  string          `json:"command"`
	Selector string          `json:"selector"`
	Element  string          `json:"element"` // other name of selector
	Value    json.RawMessage `json:"value"`
}

// parseSteps parses the JSON list of the steps parameter. sleep is the unit of
// sleep steps.
func parseSteps(text string, sleep time.Duration) ([]Step, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	var wire []wireStep
	if err := json.Unmarshal([]byte(text), &wire); err != nil {
		return nil, errors.New(`must be a JSON list such as [{"command":"click","selector":"#more"}]`)
	}
	if len(wire) > maxSteps {
		return nil, fmt.Errorf("must not have more than %d steps", maxSteps)
	}
	var steps []Step
	var waited time.Duration
	for i, w := range wire {
		step, err := w.step(sleep)
		if err != nil {
			return nil, fmt.Errorf("has step %d, which %w", i+1, err)
		}
		if waited += step.Wait; waited > maxPause {
			return nil, fmt.Errorf("must not wait longer than %v in total", maxPause)
		}
		steps = append(steps, step)
	}
	return steps, nil
}

func (w wireStep) step(sleep time.Duration) (Step, error) {
	s := Step{Command: StepCommand(w.Command), Selector: orElse(w.Selector, w.Element)}
	value, err := w.text()
	switch {
	case err != nil:
		return s, err
	case w.Element != "" && w.Element != s.Selector:
		return s, errors.New("has different values for selector and element")
	case len(s.Selector) > maxSelector:
		return s, fmt.Errorf("has a selector of more than %d bytes", maxSelector)
	}
	switch s.Command {
	case StepClick: // without a target, click the center of the screen
	case StepFill, StepType:
		if s.Selector == "" {
			return s, fmt.Errorf("needs a selector to %s", w.Command)
		}
		s.Value = value
	case StepWait:
		if value == "" && s.Selector != "" {
			return s, nil
		}
		if s.Wait, err = duration(value, time.Millisecond); err != nil {
			return s, errors.New("needs a value of milliseconds up to 60000, or a selector")
		}
	case stepSleep:
		s.Command, s.Selector = StepWait, ""
		if s.Wait, err = duration(value, sleep); err != nil {
			return s, fmt.Errorf("needs a value up to %d, counted in %v", maxPause/sleep, sleep)
		}
	case StepScroll:
		if value == "" && s.Selector != "" {
			return s, nil
		}
		y, err := strconv.Atoi(value)
		if err != nil || y < -maxScrollSpan || y > maxScrollSpan {
			return s, errors.New("needs a value of px to scroll by, or a selector")
		}
		s.Y = y
	case StepScreenshot:
	default:
		return s, fmt.Errorf("has the unknown command %q; known are click, fill, type, wait, sleep, scroll and screenshot", w.Command)
	}
	return s, nil
}

// stepSleep is a pause. It is converted to StepWait.
const stepSleep StepCommand = "sleep"

// duration parses a pause in the given unit.
func duration(text string, unit time.Duration) (time.Duration, error) {
	n, err := strconv.ParseFloat(text, 64)
	if !(err == nil && n >= 0 && n <= float64(maxPause/unit)) {
		return 0, errors.New("invalid or too long pause")
	}
	return time.Duration(n * float64(unit)), nil
}

// text returns the value of the step, which is a string or a number.
func (w wireStep) text() (string, error) {
	raw := bytes.TrimSpace(w.Value)
	if len(raw) == 0 || string(raw) == "null" {
		return "", nil
	}
	if raw[0] != '"' {
		var n json.Number
		if err := json.Unmarshal(raw, &n); err != nil {
			return "", errors.New("has a value that is neither text nor a number")
		}
		return n.String(), nil
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return "", err
	}
	if len(text) > maxPostData {
		return "", fmt.Errorf("has a value of more than %d bytes", maxPostData)
	}
	return text, nil
}
