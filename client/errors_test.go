package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"
)

// The errors for each response, for a create and for a call that can be repeated.
func TestResponsesToErrors(t *testing.T) {
	const doubt, refused = true, false
	for name, tc := range map[string]struct {
		status  int
		body    string
		doubt   bool // whether a create is in doubt
		apiCode int  // status of the wrapped APIError, 0 if there is none
	}{
		"400":                   {400, `{"success":false,"error":"bad","code":"MISSING_PARAMS"}`, refused, 400},
		"401":                   {401, `{"success":false,"error":"no","code":"INVALID_API_KEY"}`, refused, 401},
		"402 without JSON":      {402, `Payment Required`, refused, 402},
		"404":                   {404, ``, refused, 404},
		"408 of a gateway":      {408, ``, doubt, 408},
		"422":                   {422, `{"error":"bad","fields":{"url":["odd"]}}`, refused, 422},
		"429":                   {429, `{}`, refused, 429},
		"refused with 200":      {200, `{"success":false,"error":"bad"}`, refused, 200},
		"refused, yet an id":    {200, `{"success":false,"error":"bad","data":{"id":7}}`, doubt, 200},
		"refused, a request id": {200, `{"success":false,"error":"bad","id":7}`, refused, 200},
		"error without success": {200, `{"error":"bad","code":"INVALID_PARAMS"}`, doubt, 200},
		"error, code, and id":   {200, `{"error":"bad","code":"X","tag":{},"id":7}`, doubt, 0},
		"304":                   {304, ``, doubt, 304},
		"500":                   {500, `{"success":false,"error":"oops"}`, doubt, 500},
		"502":                   {502, `<html>Bad Gateway</html>`, doubt, 502},
		"empty 200":             {200, ``, doubt, 0},
		"204":                   {204, ``, doubt, 0},
		"cut JSON":              {200, `{"success":true,"data":{"id":1`, doubt, 0},
		"two values":            {200, `{"id":1}{"id":2}`, doubt, 0},
		"success of odd type":   {200, `{"success":"yes","data":{"id":1}}`, doubt, 0},
		"no id":                 {200, `{"success":true,"data":{"status":"processing"}}`, doubt, 0},
		"zero id":               {200, `{"success":true,"data":{"id":0}}`, doubt, 0},
		"null":                  {200, `{"success":true,"data":null}`, doubt, 0},
		"a list":                {200, `[{"id":1}]`, doubt, 0},
		"odd tags":              {200, `{"id":1,"tag":{"a":"b"}}`, doubt, 0},
		"too large":             {200, `{"id":1}` + strings.Repeat(" ", maxResponse), doubt, 0},
	} {
		t.Run(name, func(t *testing.T) {
			c := serve(t, answer(tc.status, tc.body))
			_, createErr := c.Create(t.Context(), CreateRequest{URL: "https://example.com"})
			_, infoErr := c.Info(t.Context(), "1")
			if createErr == nil || infoErr == nil {
				t.Fatalf("no error: %v, %v", createErr, infoErr)
			}
			if got := errors.As(createErr, new(*InDoubtError)); got != tc.doubt {
				t.Errorf("create: in doubt %v, want %v: %v", got, tc.doubt, createErr)
			}
			if errors.As(infoErr, new(*InDoubtError)) {
				t.Errorf("info: got %v, want no InDoubtError", infoErr)
			}
			for _, err := range []error{createErr, infoErr} {
				var api *APIError
				if found := errors.As(err, &api); found != (tc.apiCode != 0) || found && api.Status != tc.apiCode {
					t.Errorf("APIError %+v, want status %d", api, tc.apiCode)
				}
				if errors.As(err, new(*NotSentError)) {
					t.Errorf("got %v, want no NotSentError", err)
				}
			}
		})
	}
}

func TestAPIErrorContent(t *testing.T) {
	many := strings.Repeat(" word\n", 1000)
	for name, tc := range map[string]struct {
		status int
		body   string
		want   APIError
		text   string
	}{
		"documented": {
			422, `{"success":false,"error":"Validation failed","code":"VALIDATION_ERROR","fields":{"url":["is odd","is long"],"size":"unknown"}}`,
			APIError{Status: 422, Code: "VALIDATION_ERROR", Message: "Validation failed",
				Fields: map[string][]string{"url": {"is odd", "is long"}, "size": {"unknown"}}},
			"get screenshot: HTTP 422 VALIDATION_ERROR: Validation failed; size: unknown; url: is odd, is long",
		},
		"with a request id": {
			422, `{"success":false,"error":"Bad country","code":"INVALID_PARAMS","fields":{"country":["is unknown"]},"details":{"request_id":"req_9f","more":1}}`,
			APIError{Status: 422, Code: "INVALID_PARAMS", Message: "Bad country", Fields: map[string][]string{"country": {"is unknown"}}, RequestID: "req_9f"},
			"get screenshot: HTTP 422 INVALID_PARAMS: Bad country; country: is unknown (request req_9f)",
		},
		"without success": {
			400, `{"error":"no url","code":"MISSING_PARAMS","details":{"request_id":17}}`,
			APIError{Status: 400, Code: "MISSING_PARAMS", Message: "no url", RequestID: "17"},
			"get screenshot: HTTP 400 MISSING_PARAMS: no url (request 17)",
		},
		"details of another form": {
			400, `{"error":"no url","details":["request_id"],"request_id":"r1"}`,
			APIError{Status: 400, Message: "no url", RequestID: "r1"}, "get screenshot: HTTP 400: no url (request r1)",
		},
		"details of the error": {
			500, `{"error":{"message":"oops","details":{"request_id":"r2"}},"details":null}`,
			APIError{Status: 500, Message: "oops", RequestID: "r2"}, "get screenshot: HTTP 500: oops (request r2)",
		},
		"a 200 that is an error": {
			200, `{"error":"bad id","code":"INVALID_PARAMS"}`,
			APIError{Status: 200, Code: "INVALID_PARAMS", Message: "bad id"}, "get screenshot: HTTP 200 INVALID_PARAMS: bad id",
		},
		"nested": {
			400, `{"error":{"message":"no url","code":17}}`,
			APIError{Status: 400, Code: "17", Message: "no url"}, "get screenshot: HTTP 400 17: no url",
		},
		"message": {
			400, `{"message":"no url"}`,
			APIError{Status: 400, Message: "no url"}, "get screenshot: HTTP 400: no url",
		},
		"page": {
			503, "<h1>\x1b[31mDown</h1>\r\n\xff<p>now\u202e",
			APIError{Status: 503, Message: "<h1> [31mDown</h1> \uFFFD<p>now"},
			"get screenshot: HTTP 503: <h1> [31mDown</h1> \uFFFD<p>now",
		},
		"long": {
			500, many,
			APIError{Status: 500, Message: strings.Repeat("word ", 60) + "…"},
			"get screenshot: HTTP 500: " + strings.Repeat("word ", 60) + "…",
		},
		"empty": {500, ``, APIError{Status: 500}, "get screenshot: HTTP 500"},
	} {
		t.Run(name, func(t *testing.T) {
			c := serve(t, answer(tc.status, tc.body))
			_, err := c.Info(t.Context(), "1")
			tc.want.Op = "get screenshot"
			var api *APIError
			if !errors.As(err, &api) || !reflect.DeepEqual(*api, tc.want) {
				t.Errorf("got  %+v\nwant %+v", api, tc.want)
			}
			if err.Error() != tc.text {
				t.Errorf("text %q, want %q", err, tc.text)
			}
		})
	}
}

func TestErrorClasses(t *testing.T) {
	for _, tc := range []struct {
		api  APIError
		want error // nil if no class matches
	}{
		{APIError{Status: 422, Code: "VALIDATION_ERROR"}, ErrInvalid},
		{APIError{Status: 422, Code: "INVALID_PARAMS"}, ErrInvalid},
		{APIError{Status: 200, Code: "INVALID_PARAMS"}, ErrInvalid},
		{APIError{Status: 404, Code: "INVALID_PARAMS"}, ErrInvalid},
		{APIError{Status: 400}, ErrInvalid},
		{APIError{Status: 500, Code: "INVALID_PARAMS"}, nil},
		{APIError{Status: 409}, nil},
		{APIError{Status: 404}, ErrNotFound},
		{APIError{Status: 401}, ErrUnauthorized},
		{APIError{Status: 403}, ErrUnauthorized},
		{APIError{Status: 400, Code: codeInvalidKey}, ErrUnauthorized},
		{APIError{Status: 502, Code: codeInvalidKey}, nil},
		{APIError{Status: 402}, ErrNoCredits},
		{APIError{Status: 422, Code: "INSUFFICIENT_CREDITS"}, ErrNoCredits},
		{APIError{Status: 200, Code: "NOT_ENOUGH_CREDIT"}, ErrNoCredits},
		{APIError{Status: 500, Code: "CREDITS_UNAVAILABLE"}, nil},
	} {
		err := fmt.Errorf("wrapped: %w", &tc.api)
		for _, class := range []error{ErrNotFound, ErrUnauthorized, ErrNoCredits, ErrInvalid} {
			if got := errors.Is(err, class); got != (class == tc.want) && !(class == ErrNotFound && tc.api.Status == 404) {
				t.Errorf("%v: errors.Is(%v) is %t", err, class, got)
			}
		}
	}
}

func TestRateLimitDelay(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, tc := range map[string]struct {
		status int
		body   string
		header string
		want   time.Duration
	}{
		"body":               {429, `{"retry_after":7}`, "", 7 * time.Second},
		"body before header": {429, `{"retry_after":7}`, "30", 7 * time.Second},
		"body as text":       {429, `{"retry_after":"1.5"}`, "", 1500 * time.Millisecond},
		"header":             {429, `{}`, "30", 30 * time.Second},
		"header of a page":   {429, `<html>`, "30", 30 * time.Second},
		"header as date":     {429, `{}`, now.Add(90 * time.Second).Format(http.TimeFormat), 90 * time.Second},
		"date in the past":   {429, `{}`, now.Add(-time.Hour).Format(http.TimeFormat), 0},
		"nothing":            {429, ``, "", 0},
		"negative":           {429, `{"retry_after":-5}`, "", 0},
		"nonsense":           {429, `{"retry_after":"soon"}`, "NaN", 0},
		"absurd":             {429, `{"retry_after":1e300}`, "", maxDelay},
		"inside a 200":       {200, `{"success":false,"code":"RATE_LIMIT_EXCEEDED","retry_after":3}`, "", 3 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			c := serve(t, answer(tc.status, tc.body, "Retry-After", tc.header), WithClock(func() time.Time { return now }))
			err := create(t.Context(), c, "x")
			var limited *RateLimitError
			if !errors.As(err, &limited) || limited.Delay != tc.want {
				t.Fatalf("got %v, want a delay of %s", err, tc.want)
			}
			if api := new(APIError); !errors.As(err, &api) || api.Status != tc.status {
				t.Errorf("no APIError in %v", err)
			}
		})
	}
}

// Servers repeat the key in every part of a response that becomes part of an
// error. No error and no wrapped error reveals it, however a program prints
// errors.
func TestErrorsDoNotRevealTheKey(t *testing.T) {
	echo := `{"success":false,"error":"key ` + canary + ` is bad","code":"` + canary + `","fields":{"` + canary + `":["` + canary + `"]},"details":{"request_id":"` + canary + `"}}`
	raw := func(reply string) string {
		return newWireServer(t, func(conn *net.TCPConn, _ string, _ int) bool {
			conn.Write([]byte(reply))
			return false
		}).address
	}
	serving := func(status int, body string, headers ...string) string {
		c := serve(t, answer(status, body, headers...))
		return c.base.String()
	}
	dialing := func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("cannot reach " + canary)
	}
	ended, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("stopped for " + canary))

	for name, tc := range map[string]struct {
		ctx  context.Context
		base string
		opts []Option
	}{
		"api error":        {t.Context(), serving(400, echo), nil},
		"escaped":          {t.Context(), serving(400, "no key="+url.QueryEscape(canary)), nil},
		"half escaped":     {t.Context(), serving(400, "no "+url.PathEscape(canary)+" nor "+strings.ToLower(url.QueryEscape(canary))), nil},
		"escaped in JSON":  {t.Context(), serving(502, "<script>"+strings.ReplaceAll(canary, "/", `\/`)+"</script>"), nil},
		"unauthorized":     {t.Context(), serving(401, echo), nil},
		"rate limit":       {t.Context(), serving(429, echo), nil},
		"server error":     {t.Context(), serving(500, echo), nil},
		"refused with 200": {t.Context(), serving(200, echo, "Content-Type", "application/json"), nil},
		"page":             {t.Context(), serving(502, strings.Repeat("x", maxText-5)+canary), nil},
		"redirect":         {t.Context(), serving(302, canary, "Location", "http://127.0.0.1:1/?key="+canary), nil},
		"bad redirect":     {t.Context(), serving(302, canary, "Location", "http://["+canary), nil},
		"malformed status": {t.Context(), raw("HTTP/1.1 " + canary + "\r\n\r\n"), nil},
		"malformed header": {t.Context(), raw("HTTP/1.1 200 OK\r\n" + canary + "\r\n\r\n"), nil},
		"not HTTP":         {t.Context(), raw(canary + "\r\n\r\n"), nil},
		"cut":              {t.Context(), raw(""), nil},
		"dial":             {t.Context(), "http://api.invalid", []Option{WithDialContext(dialing)}},
		"cause":            {ended, "http://api.invalid", nil},
		"timeout":          {t.Context(), "http://api.invalid", []Option{WithDialContext(neverDial), WithTimeout(time.Millisecond)}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, tc.base, tc.opts...)
			_, createErr := c.Create(tc.ctx, CreateRequest{URL: "https://example.com"})
			_, infoErr := c.Info(tc.ctx, "1")
			_, listErr := c.List(tc.ctx, ListOptions{})
			_, accountErr := c.Account(tc.ctx)
			_, thumbErr := c.Thumbnail(tc.ctx, "1", ThumbnailOptions{})
			_, batchErr := c.CreateBatch(tc.ctx, BatchRequest{URLs: []string{"https://example.com"}, Country: "us"})
			_, batchesErr := c.Batches(tc.ctx, BatchListOptions{})
			deleteErr := c.Delete(tc.ctx, "1", ScopeAll)
			cancelErr := c.CancelBatch(tc.ctx, "1")
			for _, err := range []error{createErr, infoErr, listErr, accountErr, thumbErr, batchErr, batchesErr, deleteErr, cancelErr} {
				if err == nil {
					t.Fatal("no error")
				}
				checkRedacted(t, err)
			}
		})
	}
	t.Run("parameters", func(t *testing.T) {
		c := newClient(t, "http://api.invalid")
		_, err := c.Create(t.Context(), CreateRequest{URL: "x", Params: map[string]any{"key": canary}})
		checkRedacted(t, err)
	})
}

func checkRedacted(t *testing.T, err error) {
	t.Helper()
	for e := err; e != nil; e = errors.Unwrap(e) {
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Info("failed", "err", e)
		slog.New(slog.NewTextHandler(&log, nil)).Info("failed", "err", e)
		text := fmt.Sprintf("%v\n%+v\n%#v\n%q\n%s", e, e, e, e, log.String())
		if strings.Contains(text, "canary") {
			t.Errorf("%T reveals the key:\n%s", e, text)
		}
		if strings.Contains(text, "://") || strings.Contains(text, "url=") {
			t.Errorf("%T reveals the address:\n%s", e, text)
		}
	}
}

func FuzzReadRefusal(f *testing.F) {
	for _, seed := range []string{
		``, `null`, `[]`, `"text"`, `{"error":"text","code":"CODE","fields":{"url":["odd"]},"retry_after":3}`,
		`{"error":{"message":"m","code":1},"fields":{"a":null,"b":{},"c":[[]]}}`, `<html>502</html>`,
		`{"retry_after":"1e999"}`, "\xff\x00", `{"error":"` + canary + `"}`, canary + canary,
	} {
		f.Add([]byte(seed))
	}
	c, err := New(WithAPIKey(canary))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		err := c.apiError("try", &http.Response{StatusCode: 429}, body)
		var limited *RateLimitError
		if !errors.As(err, &limited) || limited.Delay < 0 || limited.Delay > maxDelay {
			t.Fatalf("got %v", err)
		}
		if len([]rune(limited.API.Message)) > maxText+1 || len(limited.API.Fields) > maxFields {
			t.Errorf("text or fields too long: %v", err)
		}
		if text := err.Error(); strings.Contains(text, canary) || strings.ContainsAny(text, "\r\n\x00\x1b") {
			t.Errorf("text contains the key or a control character: %q", text)
		}
	})
}
