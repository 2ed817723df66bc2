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
	secret = "bench-secret" // of webhooks
	soon   = 30 * time.Second
)

// serve is a process of the binary with a database of its own.
type serve struct {
	hook, api string // where webhooks go, and where the API is
	database  string
	process   *exec.Cmd
	ended     chan struct{}
	said      *bytes.Buffer // read it when it has ended
}

// startServe returns when the process is ready.
func (b *bench) startServe(ctx context.Context, database string, more ...string) (*serve, error) {
	hooks, err := freeAddress()
	if err != nil {
		return nil, err
	}
	api, err := freeAddress()
	if err != nil {
		return nil, err
	}
	s := &serve{hook: "http://" + hooks + "/webhooks/screenshotcenter", api: "http://" + api, database: database, said: new(bytes.Buffer), ended: make(chan struct{})}
	s.process = exec.Command(b.program, append([]string{"serve", "--db", database, "--listen", hooks, "--api-listen", api,
		"--app-id", "1", "--webhook-secret", secret, "--api-key", "bench", "--log-level", "warn"}, more...)...)
	s.process.Stdout, s.process.Stderr = s.said, s.said
	if err := s.process.Start(); err != nil {
		return nil, fmt.Errorf("start %s (make build makes it): %w", b.program, err)
	}
	go func() { _ = s.process.Wait(); close(s.ended) }()
	err = s.until(ctx, "serve is ready", func() (bool, error) {
		response, err := http.Get(s.api + "/readyz")
		if err != nil {
			return false, nil // not yet
		}
		return response.StatusCode == http.StatusOK, response.Body.Close()
	})
	if err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

// stop ends the process, and returns what it has complained of.
func (s *serve) stop() error {
	_ = s.process.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.ended:
	case <-time.After(soon):
		_ = s.process.Process.Kill()
		<-s.ended
	}
	if s.said.Len() > 0 {
		return fmt.Errorf("serve said:\n%s", s.said)
	}
	return nil
}

// until asks again and again, for a while.
func (s *serve) until(ctx context.Context, what string, so func() (bool, error)) error {
	return s.within(ctx, soon, what, so)
}

// within is until with a limit of its own.
func (s *serve) within(ctx context.Context, limit time.Duration, what string, so func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		done, err := so()
		if done || err != nil {
			return err
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-s.ended:
			return fmt.Errorf("serve ended before: %s", what)
		case <-ctx.Done():
			return fmt.Errorf("not reached: %s", what)
		}
	}
}

// get reads what the API has at a path.
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

// metric is the value of one that has no labels.
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

// post sends JSON to the API and reads its answer.
func (s *serve) post(path string, body, answer any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	return s.send(path, "application/json", data, answer)
}

// send sends what is of that kind to the API and reads its answer.
func (s *serve) send(path, kind string, data []byte, answer any) error {
	response, err := http.Post(s.api+path, kind, bytes.NewReader(data))
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

// freeAddress finds a loopback port that nobody uses now.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// database is where a database of that name belongs.
func (b *bench) database(name string) string { return filepath.Join(b.folder, name+".db") }
