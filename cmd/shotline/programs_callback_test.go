package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// TestCallbackPrograms checks that the receivers in testdata/programs accept the
// callbacks of a real serve and refuse forged ones.
func TestCallbackPrograms(t *testing.T) {
	const secret, newer = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
	address, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	s := newStageAt(t, filepath.Join(t.TempDir(), "shotline.db"))
	s.serve("--api-listen", address, "--callback-secret", newer, "--callback-secret", secret, "--allow-private", "127.0.0.0/8")

	for _, name := range []string{"callback.go", "callback.py", "callback.mjs"} {
		t.Run(name, func(t *testing.T) {
			argv := program(t, name)
			if output, err := programCommand(t, argv, "SHOTLINE_CALLBACK_SECRET=").CombinedOutput(); err == nil || !strings.Contains(string(output), "want whsec_") {
				t.Errorf("without a secret: error %v and output\n%s", err, output)
			}
			r := startCallee(t, argv, "SHOTLINE_CALLBACK_SECRET="+secret)
			called := make(chan recordedWebhook, 10)
			proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
				body, _ := io.ReadAll(request.Body)
				hook := recordedWebhook{request.Header.Clone(), body}
				called <- hook
				w.WriteHeader(r.post(hook))
			}))
			t.Cleanup(proxy.Close)

			order := fmt.Sprintf(`{"url":"https://shop.shotline.test/","callback_url":%q}`, proxy.URL)
			response, err := http.Post("http://"+address+"/v1/jobs", "application/json", strings.NewReader(order))
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			var job struct{ ID string }
			if err := json.NewDecoder(response.Body).Decode(&job); err != nil {
				t.Fatal(err)
			}
			r.wantOutput("job.done " + job.ID + " http://127.0.0.1:")
			good := <-called

			for name, hook := range forgeries(t, secret, good) {
				if status := r.post(hook); status != http.StatusUnauthorized {
					t.Errorf("%s: status %d, want 401", name, status)
				}
			}
			r.breakOff(good)
			if status := r.post(good); status != http.StatusNoContent {
				t.Errorf("the genuine callback again: status %d, want 204", status)
			}
			r.wantOutput("job.done " + job.ID + " ")
		})
	}
}

// forgeries returns callbacks that a receiver must refuse. They are derived from
// one that it accepts.
func forgeries(t *testing.T, secret string, good recordedWebhook) map[string]recordedWebhook {
	t.Helper()
	const id, at, signature = standardwebhooks.HeaderWebhookID, standardwebhooks.HeaderWebhookTimestamp, standardwebhooks.HeaderWebhookSignature
	with := func(name, value string) recordedWebhook {
		header := good.header.Clone()
		header.Set(name, value)
		if value == "" {
			header.Del(name)
		}
		return recordedWebhook{header, good.body}
	}
	signed := func(secret string, then time.Time) recordedWebhook {
		library, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			t.Fatal(err)
		}
		by, err := library.Sign(good.header.Get(id), then, good.body)
		if err != nil {
			t.Fatal(err)
		}
		hook := with(at, strconv.FormatInt(then.Unix(), 10))
		hook.header.Set(signature, by)
		return hook
	}
	both := good.header.Get(signature)
	if strings.Count(both, " ") != 1 {
		t.Fatalf("got signature header %q, want two signatures", both)
	}
	first, second, _ := strings.Cut(both, " ")
	return map[string]recordedWebhook{
		"forged":                   {good.header, bytes.Replace(good.body, []byte("done"), []byte("gone"), 1)},
		"a body cut short":         {good.header, good.body[:len(good.body)-1]},
		"no body":                  {good.header, nil},
		"the other secret's":       with(signature, first),
		"signed by a stranger":     signed("whsec_"+strings.Repeat("A", 32), time.Now()),
		"of ten minutes ago":       signed(secret, time.Now().Add(-10*time.Minute)),
		"of ten minutes ahead":     signed(secret, time.Now().Add(10*time.Minute)),
		"another time":             with(at, strconv.FormatInt(time.Now().Unix()+1, 10)),
		"no time":                  with(at, ""),
		"an invalid time":          with(at, "NaN"),
		"another id":               with(id, "evt_other"),
		"no id":                    with(id, ""),
		"no signature":             with(signature, ""),
		"a signature cut short":    with(signature, second[:len(second)-1]),
		"of another version":       with(signature, "v2"+strings.TrimPrefix(second, "v1")),
		"a signature not in UTF-8": with(signature, "v1,\xff\xfe"),
	}
}

// callee is a running receiver of testdata/programs.
type callee struct {
	t       *testing.T
	address string
	output  chan string // lines of standard output; closed at the end
	log     lines       // standard error
}

// startCallee starts a receiver and waits until it listens.
func startCallee(t *testing.T, argv []string, env string) *callee {
	t.Helper()
	address, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	r := &callee{t: t, address: address, output: make(chan string, 10)}
	cmd := programCommand(t, argv, env, "PORT="+port)
	cmd.Stderr = &r.log
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(r.output)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			r.output <- lines.Text()
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		for range r.output {
		}
		_ = cmd.Wait() // reports the kill
	})
	for {
		connection, err := net.Dial("tcp", address)
		if err == nil {
			connection.Close()
			return r
		}
		select {
		case line := <-r.output:
			t.Fatalf("the receiver does not listen: it printed %q\n%s", line, &r.log)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (r *callee) wantOutput(beginning string) {
	r.t.Helper()
	select {
	case line := <-r.output:
		if !strings.HasPrefix(line, beginning) {
			r.t.Errorf("output is %q, want %q\n%s", line, beginning, &r.log)
		}
	case <-time.After(time.Minute):
		r.t.Fatalf("no output %q within a minute\n%s", beginning, &r.log)
	}
}

// post returns the status of the response, or 502 if there is none.
func (r *callee) post(hook recordedWebhook) int {
	request, err := http.NewRequest(http.MethodPost, "http://"+r.address+"/hooks/shots", bytes.NewReader(hook.body))
	if err != nil {
		r.t.Error(err)
		return http.StatusBadGateway
	}
	request.Header = hook.header
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		r.t.Error(err)
		return http.StatusBadGateway
	}
	defer response.Body.Close()
	return response.StatusCode
}

// breakOff closes the connection in the middle of the body.
func (r *callee) breakOff(hook recordedWebhook) {
	r.t.Helper()
	connection, err := net.Dial("tcp", r.address)
	if err != nil {
		r.t.Fatal(err)
	}
	defer connection.Close()
	header := hook.header.Clone()
	header.Set("Content-Length", strconv.Itoa(len(hook.body)))
	var request bytes.Buffer
	fmt.Fprintf(&request, "POST /hooks/shots HTTP/1.1\r\nHost: %s\r\n", r.address)
	if err := header.Write(&request); err != nil {
		r.t.Fatal(err)
	}
	request.WriteString("\r\n")
	request.Write(hook.body[:len(hook.body)/2])
	if _, err := request.WriteTo(connection); err != nil {
		r.t.Fatal(err)
	}
}
