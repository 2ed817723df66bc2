package client

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"
)

func TestRetryPolicyChoosesErrors(t *testing.T) {
	call := func(cause error) *CallError { return &CallError{Op: "list", cause: cause} }
	p := RetryPolicy{Attempts: 3, Base: time.Second}
	for name, tc := range map[string]struct {
		err   error
		again bool
	}{
		"none":               {nil, false},
		"cut":                {call(errors.New("EOF")), true},
		"timeout":            {call(context.DeadlineExceeded), true},
		"cancelled":          {call(context.Canceled), false},
		"cancelled, unsent":  {&NotSentError{call(context.Canceled)}, false},
		"not sent":           {&NotSentError{call(errors.New("refused"))}, true},
		"in doubt":           {&InDoubtError{call(errors.New("EOF"))}, false},
		"in doubt after 500": {&InDoubtError{&APIError{Status: 500}}, false},
		"rate limit":         {&RateLimitError{API: &APIError{Status: 429}}, true},
		"500":                {fmt.Errorf("listing: %w", &APIError{Status: 500}), true},
		"408":                {&APIError{Status: 408}, true},
		"400":                {&APIError{Status: 400}, false},
		"401":                {&APIError{Status: 401}, false},
		"404":                {&APIError{Status: 404}, false},
		"not ready":          {fmt.Errorf("image: %w", &NotReadyError{API: &APIError{Status: 404}}), true},
		"refused with 200":   {&APIError{Status: 200}, false},
		"parameter":          {&ParamError{Name: "id"}, false},
		"foreign":            {errors.New("something else"), false},
	} {
		if _, again := p.Next(tc.err, 1); again != tc.again {
			t.Errorf("%s: got again=%v", name, again)
		}
	}
}

func TestRetryPolicyDelays(t *testing.T) {
	err := &CallError{cause: errors.New("EOF")}
	rand := 0.0
	p := RetryPolicy{Attempts: 8, Base: time.Second, Max: 10 * time.Second, Rand: func() float64 { return rand }}
	for i, step := range []time.Duration{1, 2, 4, 8, 10, 10, 10} {
		step *= time.Second
		rand = 0
		low, again := p.Next(err, i+1)
		rand = 0.5
		middle, _ := p.Next(err, i+1)
		p := p
		p.Rand = nil
		full, _ := p.Next(err, i+1)
		if !again || low != step/2 || middle != step*3/4 || full != step {
			t.Errorf("attempt %d: %s, %s, %s, %v; want a half, three quarters and all of %s", i+1, low, middle, full, again, step)
		}
	}
	for _, attempt := range []int{-1, 0, 8, 9} {
		if _, again := p.Next(err, attempt); again {
			t.Errorf("attempt %d would be repeated", attempt)
		}
	}
	limited := &RateLimitError{Delay: time.Minute, API: &APIError{Status: 429}}
	if delay, again := p.Next(limited, 1); !again || delay != time.Minute {
		t.Errorf("rate limit: %s, %v", delay, again)
	}
	limited.Delay = time.Millisecond
	if delay, _ := p.Next(limited, 1); delay < 500*time.Millisecond {
		t.Errorf("short rate limit: %s", delay)
	}
	boundless := RetryPolicy{Attempts: 1 << 30, Base: time.Second}
	if delay, again := boundless.Next(err, 1<<29); !again || delay <= 0 {
		t.Errorf("overflow: %s, %v", delay, again)
	}
}
