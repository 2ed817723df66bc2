package receiver_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"shotline/jobs"
	"shotline/receiver"
	"shotline/receiver/signature"
)

// refusalStore keeps groups in memory.
type refusalStore struct {
	groups [][]jobs.Refusal
	err    error
}

func (s *refusalStore) AddRefusals(_ context.Context, refusals []jobs.Refusal) error {
	s.groups = append(s.groups, refusals)
	return s.err
}

func TestRefusals(t *testing.T) {
	const body = `{"event":"screenshot.completed","screenshot_id":"hunter2"}`
	r := newReceiver(t, receiver.Config{Path: "/right", Inbox: &memoryInbox{keep: func(context.Context) error { return errors.New("disk full") }}})
	post := func(path, sign string) {
		t.Helper()
		request := httptest.NewRequest("POST", path, strings.NewReader(body))
		request.Header.Set("X-Hunter2", "hunter2")
		if sign != "" {
			request.Header.Set("X-Signature", sign)
		}
		handle := r.ServeHTTP
		if !strings.HasPrefix(path, "/right") {
			handle = r.HandleWrongPath
		}
		handle(httptest.NewRecorder(), request)
	}
	store := &refusalStore{}
	keep := func() {
		t.Helper()
		if err := r.KeepRefusals(t.Context(), store); !errors.Is(err, store.err) {
			t.Fatal(err)
		}
	}
	keep()
	post("/right?token=hunter2", "")
	post("/right", "sha256="+strings.Repeat("0", 64))
	post("/wrong/webhooks", "sha256="+strings.Repeat("0", 64))
	post("/right", signature.Sign(secret, []byte(body))) // 503: the vendor sends it again
	keep()
	keep()
	want := [][]jobs.Refusal{{
		{At: noon, Path: "/right", Result: "signature", Status: 401, Reason: "signature missing", Headers: []string{"X-Hunter2"}},
		{At: noon, Path: "/right", Result: "signature", Status: 401, Reason: "signature does not match", Headers: []string{"X-Hunter2", "X-Signature"}},
		{At: noon, Path: "/wrong/webhooks", Result: "path", Status: 404,
			Reason: `webhook sent to "/wrong/webhooks", but webhooks are accepted at "/right": correct the URL in the vendor's webhook app`, Headers: []string{"X-Hunter2", "X-Signature"}},
	}}
	if diff := cmp.Diff(want, store.groups); diff != "" {
		t.Errorf("refusals (-want +got):\n%s", diff)
	}

	// A flood fills one group.
	store.groups = nil
	for range 1000 {
		post("/right/"+strings.Repeat("x", 500), "")
	}
	keep()
	if len(store.groups) != 1 || len(store.groups[0]) != 20 || store.groups[0][19].More != 980 || len(store.groups[0][0].Path) != 100 {
		t.Errorf("the flood became %d groups: %+v", len(store.groups), store.groups)
	}

	// So do many headers.
	request := httptest.NewRequest("POST", "/right", strings.NewReader(body))
	for i := range 500 {
		request.Header.Set(fmt.Sprintf("X-%d-%s", i, strings.Repeat("y", 100)), "")
	}
	r.ServeHTTP(httptest.NewRecorder(), request)
	store.err = errors.New("disk full")
	keep()
	last := store.groups[1][0]
	if len(last.Headers) != 30 || len(last.Headers[0]) != 64 {
		t.Errorf("%d headers: %q", len(last.Headers), last.Headers)
	}
	store.groups, store.err = nil, nil
	if keep(); store.groups != nil { // what could not be written is dropped
		t.Errorf("written again: %+v", store.groups)
	}
}
