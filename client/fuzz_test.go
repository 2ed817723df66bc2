package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf8"
)

// scripted is a vendor that sends one response to all requests.
type scripted struct {
	status int
	header http.Header
	body   []byte
	cut    bool // the body ends with an error
}

// scheme is the URL scheme of scripted vendors.
const scheme = "scripted"

func (s *scripted) RoundTrip(req *http.Request) (*http.Response, error) {
	var body io.Reader = bytes.NewReader(s.body)
	if s.cut {
		body = io.MultiReader(body, iotest.ErrReader(errors.New("cut off "+req.URL.String())))
	}
	return &http.Response{
		StatusCode: s.status, Header: s.header, Body: io.NopCloser(body), ContentLength: -1,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: req,
	}, nil
}

// newScripted returns a client of the given vendor.
func newScripted(t testing.TB, vendor http.RoundTripper, now time.Time) *Client {
	t.Helper()
	c, err := New(WithAPIKey(canary), WithClock(func() time.Time { return now }))
	if err != nil {
		t.Fatal(err)
	}
	c.transport.RegisterProtocol(scheme, vendor)
	c.base = &url.URL{Scheme: scheme, Host: "api.example", Path: "/api/v1"}
	return c
}

// calls are the API calls that read a response.
var calls = map[string]func(ctx context.Context, c *Client) error{
	"create": func(ctx context.Context, c *Client) error { return create(ctx, c, "a") },
	"create batch": func(ctx context.Context, c *Client) error {
		_, err := c.CreateBatch(ctx, BatchRequest{URLs: []string{"https://example.com/"}, Country: "us"})
		return err
	},
	"info": func(ctx context.Context, c *Client) error { _, err := c.Info(ctx, "1"); return err },
	"list": func(ctx context.Context, c *Client) error { _, err := c.List(ctx, ListOptions{}); return err },
	"search": func(ctx context.Context, c *Client) error {
		_, err := c.Search(ctx, SearchOptions{URL: "a"})
		return err
	},
	"account": func(ctx context.Context, c *Client) error { _, err := c.Account(ctx); return err },
	"batch":   func(ctx context.Context, c *Client) error { _, err := c.Batch(ctx, "1"); return err },
	"batches": func(ctx context.Context, c *Client) error { _, err := c.Batches(ctx, BatchListOptions{}); return err },
	"cancel":  func(ctx context.Context, c *Client) error { return c.CancelBatch(ctx, "1") },
	"delete":  func(ctx context.Context, c *Client) error { return c.Delete(ctx, "1", ScopeAll) },
	"thumbnail": func(ctx context.Context, c *Client) error {
		d, err := c.Thumbnail(ctx, "1", ThumbnailOptions{})
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, d.Body)
		return errors.Join(err, d.Body.Close())
	},
}

// withoutEffect implements promise P3 independently of this package. It reports
// whether a response proves that a create had no effect: either it is a 4xx other
// than 408, or it is a 2xx that contains "success":false and no id of a
// screenshot or a batch.
func withoutEffect(status int, body []byte, cut bool) bool {
	switch {
	case status >= 400 && status <= 499:
		return status != http.StatusRequestTimeout
	case status < 200 || status > 299 || cut:
		return false
	}
	var object map[string]any
	if json.Unmarshal(body, &object) != nil {
		return false
	}
	for name := range object {
		if strings.EqualFold(name, "success") && name != "success" || strings.EqualFold(name, "data") && name != "data" {
			return true // encoding/json matches the field despite its case, so both results are acceptable
		}
	}
	success, ok := object["success"].(bool)
	data, _ := object["data"].(map[string]any)
	return ok && !success && !isID(data["id"]) && !isID(data["batch_id"])
}

// isID reports whether a value is certainly a valid id.
func isID(id any) bool {
	switch id := id.(type) {
	case string:
		return strings.Trim(id, "0 \t\r\n") != "" && len(id) < 200
	case float64:
		return id >= 1 && id == float64(int64(id)) && id < 1e15
	}
	return false
}

// checkClass checks that an error has a documented type, and that it is in doubt
// unless noEffect is set.
func checkClass(t *testing.T, name string, err error, noEffect bool) {
	t.Helper()
	var doubt *InDoubtError
	inDoubt := errors.As(err, &doubt)
	if inDoubt && !strings.HasPrefix(name, "create") {
		t.Fatalf("%s: got an InDoubtError: %v", name, err)
	}
	if errors.As(err, new(*NotSentError)) || errors.As(err, new(*ParamError)) {
		t.Fatalf("%s got a response, but the error is that it was not sent: %v", name, err)
	}
	known := errors.As(err, new(*CallError)) || errors.As(err, new(*APIError)) || errors.As(err, new(*RateLimitError))
	if !known {
		t.Fatalf("%s: %T is not documented: %v", name, err, err)
	}
	if strings.HasPrefix(name, "create") && !inDoubt && !noEffect {
		t.Fatalf("%s is not in doubt: %v", name, err)
	}
	var limited *RateLimitError
	if errors.As(err, &limited) && (limited.Delay < 0 || limited.Delay > maxDelay) {
		t.Fatalf("%s: a delay of %v", name, limited.Delay)
	}
	text := err.Error()
	if strings.Contains(text, canary) || strings.Contains(text, url.QueryEscape(canary)) || strings.ContainsAny(text, "\r\n\x00\x1b") {
		t.Fatalf("%s: the error contains the key or several lines: %q", name, text)
	}
	if _, again := DefaultRetryPolicy(nil).Next(err, 1); again && inDoubt {
		t.Fatalf("%s is in doubt, but would be retried: %v", name, err)
	}
}

// For any response, an error has a documented type, and a create that might have
// taken effect is in doubt.
func FuzzResponse(f *testing.F) {
	for _, seed := range []struct {
		status  int
		headers string
		body    string
		cut     bool
	}{
		{200, "", `{"success":true,"data":{"id":1,"status":"processing","tag":["a"]}}`, false},
		{200, "", `[{"id":1},{"id":"x"}]`, false},
		{200, "", `{"success":false,"error":"bad","code":"RATE_LIMIT_EXCEEDED","retry_after":3}`, false},
		{200, "", `{"success":false,"data":{"id":7}}`, false},
		{200, "", `{"success":false,"data":{"batch_id":"b"}}`, false},
		{200, "", `{"success":null,"Success":false,"data":{"id":1}}`, false},
		{201, "Content-Type: application/json", `{"success":false,"error":"` + canary + `"}`, true},
		{204, "", ``, false},
		{302, "Location: https://x/?key=" + canary, canary, false},
		{400, "", `{"error":{"message":"no","code":4}}`, false},
		{402, "", `Payment Required`, false},
		{408, "", ``, false},
		{429, "Retry-After: 30", `{}`, false},
		{429, "Retry-After: Sun, 06 Nov 2094 08:49:37 GMT", `<html>`, false},
		{500, "", `{"success":true,"data":{"id":1}}`, false},
		{101, "Upgrade: x", "", false},
		{0, "", "", false},
		{-1, "", "null", true},
		{200, "", `{"balance":"1e999"}`, false},
	} {
		f.Add(seed.status, seed.headers, []byte(seed.body), seed.cut)
	}
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	vendor := &scripted{}
	c := newScripted(f, vendor, now)
	f.Fuzz(func(t *testing.T, status int, headers string, body []byte, cut bool) {
		*vendor = scripted{status, http.Header{}, body, cut}
		for line := range strings.SplitSeq(headers, "\n") {
			if name, value, found := strings.Cut(line, ":"); found {
				vendor.header.Add(name, strings.TrimSpace(value))
			}
		}
		for name, call := range calls {
			if redirected := status >= 300 && status <= 399; redirected && name == "thumbnail" {
				continue // the redirect would be followed
			}
			err := call(t.Context(), c)
			if err != nil {
				checkClass(t, name, err, withoutEffect(status, body, cut))
			}
			if ok := status >= 200 && status <= 299; err == nil && !ok {
				t.Fatalf("%s: %d is a success", name, status)
			}
			if err == nil && cut {
				t.Fatalf("%s: a truncated response is a success", name)
			}
		}
	})
}

// A delay has the value of the header, and it is limited so that a header cannot
// stop the client forever.
func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{"", "0", "7", "1.5", " 3 ", "-1", "1e9", "NaN", "0x10", "Sun, 01 Mar 2026 12:01:30 GMT", "soon"} {
		f.Add(seed)
	}
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	c := newScripted(f, &scripted{}, now)
	f.Fuzz(func(t *testing.T, header string) {
		got := c.retryAfter(header)
		if got < 0 || got > maxDelay {
			t.Fatalf("%q: %v", header, got)
		}
		if n, err := strconv.ParseUint(header, 10, 32); err == nil && got != min(time.Duration(n)*time.Second, maxDelay) {
			t.Fatalf("%q: %v", header, got)
		}
		if at, err := http.ParseTime(header); err == nil && at.After(now) && got != min(at.Sub(now), maxDelay) {
			t.Fatalf("%q: %v", header, got)
		}
	})
}

// For any bytes on the wire, a request that the server has read never counts as
// not sent, and a create without a valid response is in doubt.
func FuzzWire(f *testing.F) {
	for _, seed := range []string{
		goodResponse, "", "HTTP/1.1 ", "HTTP/1.1 400 Bad\r\nContent-Length: 2\r\n\r\n{}", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{\"id\":1",
		"HTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + goodResponse, "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n{\"id\":1}\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "HTTP/1.0 500 x\r\n\r\n" + canary, "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
		"HTTP/1.1 404 " + canary + "\r\n\r\n", "HTTP/1.1 408 Timeout\r\nConnection: close\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, reply []byte) {
		c, err := New(WithAPIKey(canary), WithBaseURL("http://api.example/api/v1"), WithDialContext(func(context.Context, string, string) (net.Conn, error) {
			clientEnd, serverEnd := net.Pipe()
			go func() {
				defer serverEnd.Close()
				if _, err := http.ReadRequest(bufio.NewReader(serverEnd)); err == nil {
					_, _ = serverEnd.Write(reply) // the client might close the connection early
				}
			}()
			return clientEnd, nil
		}))
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseIdleConnections()
		err = create(t.Context(), c, "a")
		resp, body, cut := finalResponse(reply)
		switch {
		case err != nil:
			checkClass(t, "create", err, resp != nil && withoutEffect(resp.StatusCode, body, cut))
		case resp == nil || resp.StatusCode < 200 || resp.StatusCode > 299 || cut:
			t.Fatalf("%q: no error", reply)
		}
	})
}

// finalResponse returns the response that net/http reads from reply, skipping
// informational responses. It returns nil if there is none.
func finalResponse(reply []byte) (resp *http.Response, body []byte, cut bool) {
	r := bufio.NewReader(bytes.NewReader(reply))
	for {
		resp, err := http.ReadResponse(r, &http.Request{Method: http.MethodGet})
		if err != nil {
			return nil, nil, false
		}
		if resp.StatusCode >= 200 || resp.StatusCode == http.StatusSwitchingProtocols {
			body, err := io.ReadAll(resp.Body)
			return resp, body, err != nil
		}
	}
}

// The vendor receives the parameters of a create unchanged: the URL is the
// requested one, the key is not a parameter, lists of strings keep their
// elements, and equal requests have equal queries.
func FuzzQuery(f *testing.F) {
	f.Add("https://example.com/", "width", `1280`, "spring", "archive/{id}.png")
	f.Add("https://example.com/?a=b&c", "steps", `[{"command":"wait"}]`, "", "")
	f.Add("x", "tag", `["a","b\n",""]`, "a", "{}")
	f.Add("x", "KEY", `"v"`, "&key=1", "")
	f.Add("x", "a&b=c", `["x&y","=",null,1e400]`, "t", "")
	f.Fuzz(func(t *testing.T, address, name, value, tag, template string) {
		var v any
		if json.Unmarshal([]byte(value), &v) != nil {
			v = value
		}
		r := CreateRequest{URL: address, Params: map[string]any{name: v}, Tags: []string{tag}, Apps: []App{{ID: "12", PathTemplate: template}, {ID: "34"}}}
		q, err := r.query()
		again, errAgain := r.query()
		if q.Encode() != again.Encode() || fmt.Sprint(err) != fmt.Sprint(errAgain) {
			t.Fatalf("%v and %v", q, again)
		}
		if err != nil {
			if !errors.As(err, new(*ParamError)) {
				t.Fatalf("%T: %v", err, err)
			}
			return
		}
		sent, err := url.ParseQuery(q.Encode())
		if err != nil || sent.Get("url") != address || len(sent["url"]) != 1 {
			t.Fatalf("requested %q, sent %q (%v)", address, sent["url"], err)
		}
		for given := range sent {
			if strings.EqualFold(given, "key") {
				t.Fatalf("the parameters contain a key: %q", sent)
			}
		}
		if list, ok := v.([]any); ok && name != "tag" && allTexts(list) {
			var want []string
			for _, text := range list {
				want = append(want, text.(string))
			}
			if !slices.Equal(sent[name], want) {
				t.Fatalf("%q became %q", want, sent[name])
			}
		}
		if tag != "" && !slices.Contains(sent["tag"], tag) {
			t.Fatalf("tag %q is not among %q", tag, sent["tag"])
		}
		checkApps(t, sent["apps"], template)
	})
}

func allTexts(list []any) bool {
	return !slices.ContainsFunc(list, func(v any) bool { _, isText := v.(string); return !isText })
}

// checkApps checks that both apps are sent, with the template if it is not empty.
func checkApps(t *testing.T, sent []string, template string) {
	t.Helper()
	if template == "" {
		if !slices.Equal(sent, []string{"12", "34"}) {
			t.Fatalf("apps %q", sent)
		}
		return
	}
	if !utf8.ValidString(template) {
		return // JSON replaces invalid bytes
	}
	var templates map[string]string
	if len(sent) != 1 || json.Unmarshal([]byte(sent[0]), &templates) != nil || len(templates) != 2 ||
		templates["12"] != template || templates["34"] != "" {
		t.Fatalf("apps %q of template %q", sent, template)
	}
}
