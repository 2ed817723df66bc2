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

// Limits of what a create may have done in the page; the vendor documents none.
const (
	maxSteps      = 50
	maxShots      = 20 // pictures, those of steps included
	maxPause      = time.Minute
	maxPauses     = 3 * time.Minute // all of a create together
	maxScript     = 64 << 10        // bytes
	maxSelector   = 1024            // bytes
	maxScrollSpan = 1_000_000
)

// pace reads when the pictures are taken, and what happens before.
func (p *params) pace() Pace {
	pace := Pace{
		Delay:        p.seconds("delay"),
		MaxWait:      p.seconds("max_wait"),
		HidePopups:   p.flag("hide_popups"),
		Script:       p.query.Get("script_inline"),
		Shots:        p.integer("shots", 1, maxShots, 1),
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
		p.refuse("shot_interval", fmt.Sprintf("and the other pauses are longer than %v together", maxPauses))
	}
	taken := pace.Shots
	for _, step := range pace.Steps {
		if step.Command == StepScreenshot {
			taken++
		}
	}
	if taken > maxShots {
		p.refuse("shots", fmt.Sprintf("and the screenshots of steps are more than %d pictures", maxShots))
	}
	return pace
}

// seconds reads a pause.
func (p *params) seconds(name string) time.Duration {
	return time.Duration(p.number(name, 0, maxPause.Seconds(), 0) * float64(time.Second))
}

// interval reads a pause in the unit that the sandbox was given.
func (p *params) interval(name string) time.Duration {
	unit := orElse(p.units.interval, time.Millisecond)
	return time.Duration(p.integer(name, 0, int(maxPause/unit), 0)) * unit
}

// wireStep is a step as the SDKs send it. Numbers may come as text.
type wireStep struct {
	Command  string          `json:"command"`
	Selector string          `json:"selector"`
	Element  string          `json:"element"` // another name of selector
	Value    json.RawMessage `json:"value"`
}

// parseSteps reads the steps parameter, a JSON list; sleep is the unit of the
// command of that name.
func parseSteps(text string, sleep time.Duration) ([]Step, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	var wire []wireStep
	if err := json.Unmarshal([]byte(text), &wire); err != nil {
		return nil, errors.New(`must be a JSON list such as [{"command":"click","selector":"#more"}]`)
	}
	if len(wire) > maxSteps {
		return nil, fmt.Errorf("must not be more than %d", maxSteps)
	}
	var steps []Step
	var waited time.Duration
	for i, w := range wire {
		step, err := w.step(sleep)
		if err != nil {
			return nil, fmt.Errorf("has step %d, which %w", i+1, err)
		}
		if waited += step.Wait; waited > maxPause {
			return nil, fmt.Errorf("waits longer than %v in all", maxPause)
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
		return s, errors.New("names two targets, by selector and by element")
	case len(s.Selector) > maxSelector:
		return s, fmt.Errorf("has a selector of more than %d bytes", maxSelector)
	}
	switch s.Command {
	case StepClick: // without a target: in the middle of the screen
	case StepFill, StepType:
		if s.Selector == "" {
			return s, fmt.Errorf("names no selector to %s", w.Command)
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
		return s, fmt.Errorf("is none of click, fill, type, wait, sleep, scroll and screenshot: %q", w.Command)
	}
	return s, nil
}

// stepSleep is a pause; it becomes StepWait.
const stepSleep StepCommand = "sleep"

// duration reads a pause of so many units.
func duration(text string, unit time.Duration) (time.Duration, error) {
	n, err := strconv.ParseFloat(text, 64)
	if !(err == nil && n >= 0 && n <= float64(maxPause/unit)) {
		return 0, errors.New("no pause, or too long a one")
	}
	return time.Duration(n * float64(unit)), nil
}

// text is the step's value, given as text or as a number.
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
