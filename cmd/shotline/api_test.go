package main

import (
	"errors"
	"fmt"
	"testing"

	"shotline/client"
)

func TestCallCode(t *testing.T) {
	refusal := func(status int) error { return &client.APIError{Op: "create screenshot", Status: status} }
	for _, test := range []struct {
		err  error
		want string
	}{
		{nil, "200"},
		{refusal(422), "422"},
		{&client.InDoubtError{Err: refusal(502)}, "502"},
		{&client.RateLimitError{API: &client.APIError{Status: 429}}, "429"},
		{&client.NotSentError{Err: errors.New("connection refused")}, "not_sent"},
		{&client.InDoubtError{Err: errors.New("connection reset")}, "no_answer"},
		{fmt.Errorf("create: %w", &client.ParamError{Name: "key"}), "invalid"},
	} {
		if got := callCode(test.err); got != test.want {
			t.Errorf("%v is counted as %s, want %s", test.err, got, test.want)
		}
	}
}
