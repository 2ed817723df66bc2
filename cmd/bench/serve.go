package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"time"
)

const (
	secret       = "bench-secret" // that webhooks are signed with
	shortTimeout = 30 * time.Second
)

// serve is a serve process with a database of its own.
type serve struct {
	hook, api string // URLs of the webhook receiver and of the API
	database  string
	process   *exec.Cmd
	ended     chan struct{}
	output    *bytes.Buffer // written until the process has ended; do not read it before
}

// startServe starts a process, and returns when it is ready.
func (b *bench) startServe(ctx context.Context, database string, more ...string) (*serve, error) {
	hooks, err := freeAddress()
	if err != nil {
		return nil, err
	}
	api, err := freeAddress()
	if err != nil {
		return nil, err
	}
	s := &serve{hook: "http://" + hooks + "/webhooks/screenshotcenter", api: "http://" + api, database: database, output: new(bytes.Buffer), ended: make(chan struct{})}
	s.process = exec.Command(b.program, append([]string{"serve", "--db", database, "--listen", hooks, "--api-listen", api,
		"--app-id", "1", "--webhook-secret", secret, "--api-key", "bench", "--log-level", "warn"}, more...)...)
	s.process.Stdout, s.process.Stderr = s.output, s.output
	if err := s.process.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w: build it with make build", b.program, err)
	}
	go func() { _ = s.process.Wait(); close(s.ended) }()
	err = s.waitFor(ctx, "serve is ready", func() (bool, error) {
		response, err := http.Get(s.api + "/readyz")
		if err != nil {
			return false, nil // not listening yet
		}
		return response.StatusCode == http.StatusOK, response.Body.Close()
	})
	if err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

// stop ends the process. Any output of the process is an error.
func (s *serve) stop() error {
	_ = s.process.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.ended:
	case <-time.After(shortTimeout):
		_ = s.process.Process.Kill()
		<-s.ended
	}
	if s.output.Len() > 0 {
		return fmt.Errorf("serve printed:\n%s", s.output)
	}
	return nil
}

// waitFor polls a condition until it is true, for at most shortTimeout.
func (s *serve) waitFor(ctx context.Context, what string, condition func() (bool, error)) error {
	return s.waitWithin(ctx, shortTimeout, what, condition)
}

// waitWithin is waitFor with another time limit.
func (s *serve) waitWithin(ctx context.Context, limit time.Duration, what string, condition func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		done, err := condition()
		if done || err != nil {
			return err
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-s.ended:
			return fmt.Errorf("wait until %s: serve ended", what)
		case <-ctx.Done():
			return fmt.Errorf("wait until %s: %w", what, ctx.Err())
		}
	}
}

// get returns the body of a GET request to the API.
func (s *serve) get(path string) ([]byte, error) {
	response, err := http.Get(s.api + path)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s: %.200s", path, response.Status, text)
	}
	return text, err
}

// metric returns the value of a metric that has no labels.
func (s *serve) metric(name string) (float64, error) {
	text, err := s.get("/metrics")
	if err != nil {
		return 0, err
	}
	found := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + ` (\S+)$`).FindSubmatch(text)
	if found == nil {
		return 0, fmt.Errorf("there is no metric %s", name)
	}
	return strconv.ParseFloat(string(found[1]), 64)
}

// post sends JSON to the API, and decodes the response.
func (s *serve) post(path string, body, answer any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	return s.send(path, "application/json", data, answer)
}

// send sends data of a content type to the API, and decodes the response.
func (s *serve) send(path, contentType string, data []byte, answer any) error {
	response, err := http.Post(s.api+path, contentType, bytes.NewReader(data))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode >= 300 {
		text, _ := io.ReadAll(response.Body)
		return fmt.Errorf("POST %s: %d %s", path, response.StatusCode, text)
	}
	return json.NewDecoder(response.Body).Decode(answer)
}

// freeAddress finds a loopback port that is free now.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// database returns the path of the database with that name.
func (b *bench) database(name string) string { return filepath.Join(b.folder, name+".db") }
