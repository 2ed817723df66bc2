package main

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
)

// bareCommand is the argument that makes this binary the bare receiver. Only the
// bench itself passes it.
const bareCommand = "bare-receiver"

// serveBare runs the receiver that webhook intake is compared with: a net/http
// handler that reads, verifies and decodes a webhook, and then discards it.
// serveBare prints its address, and returns when its input ends.
func serveBare(in io.Reader, out io.Writer) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /webhooks/screenshotcenter", bareWebhook)
	server := &http.Server{Handler: mux}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	if _, err := fmt.Fprintln(out, l.Addr()); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, in)
	return errors.Join(err, server.Close(), ignore(<-served, http.ErrServerClosed))
}

func ignore(err, expected error) error {
	if errors.Is(err, expected) {
		return nil
	}
	return err
}

func bareWebhook(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, "incomplete body", http.StatusBadRequest)
		return
	}
	sent, err := hex.DecodeString(strings.TrimPrefix(r.Header.Get("X-ScreenshotCenter-Signature"), "sha256="))
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	if err != nil || !hmac.Equal(sent, mac.Sum(nil)) {
		http.Error(w, "invalid signature", http.StatusUnauthorized)
		return
	}
	var event struct {
		Event        string `json:"event"`
		ScreenshotID string `json:"screenshot_id"`
		Status       string `json:"status"`
		ImageURL     string `json:"image_url"`
		Error        string `json:"error"`
	}
	if err := json.Unmarshal(body, &event); err != nil || event.ScreenshotID == "" {
		http.Error(w, "malformed body", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"status":"accepted"}`+"\n")
}

// bare is the bare receiver in a process of its own, like serve.
type bare struct {
	address string
	process *exec.Cmd
	input   io.Closer
}

func startBare() (*bare, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	b := &bare{process: exec.Command(self, bareCommand)}
	b.process.Stderr = os.Stderr
	if b.input, err = b.process.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := b.process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := b.process.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		return nil, errors.Join(errors.New("the bare receiver printed no address"), b.stop())
	}
	b.address = lines.Text()
	return b, nil
}

func (b *bare) stop() error { return errors.Join(b.input.Close(), b.process.Wait()) }
