package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"shotline/jobs/sqlite"
)

const (
	singleJobs    = 50_000
	singleClients = 64
	fewBatches    = 100 // with as many jobs in all
	idleTime      = 20 * time.Second
	singleTime    = 10 * time.Minute // for all of them
)

// measureSingles is many jobs that come one by one, with a Redis and with the
// embedded queue. Afterwards those that came one by one are compared with as many
// in a few batches, by what somebody notices who has to do with none of them.
func measureSingles(ctx context.Context, b *bench) (_ []figure, err error) {
	vendor := newVendor()
	defer vendor.Close()
	redis, stop, err := startRedis(ctx, b.folder)
	if err != nil {
		return nil, err
	}
	defer stop()
	shared, err := b.singles(ctx, vendor, "singles-redis", "--redis-url", redis)
	if err != nil {
		return nil, err
	}
	if err := shared.stop(); err != nil {
		return nil, err
	}
	own, err := b.singles(ctx, vendor, "singles-embedded")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, own.stop()) }()
	few, err := b.batches(ctx, vendor)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, few.stop()) }()
	beside, err := b.beside(ctx, vendor, own.serve, few.serve)
	whose := fmt.Sprintf("%d jobs one by one, embedded queue: ", singleJobs)
	return append([]figure{
		{What: whose + "until all are done", Value: own.took.Seconds() / shared.took.Seconds(), Unit: "× Redis", Target: atMost(1.5),
			From: fmt.Sprintf("%.1f s against %.1f s", own.took.Seconds(), shared.took.Seconds())},
		{What: whose + "peak memory", Value: own.memory / shared.memory, Unit: "× Redis", Target: atMost(1.5),
			From: fmt.Sprintf("%.0f MB against %.0f MB", own.memory, shared.memory)},
	}, beside...), err
}

// crowd is a serve that has taken many jobs.
type crowd struct {
	*serve
	took   time.Duration // until all were done
	memory float64       // the peak in MB
}

// singles has a serve of its own take all jobs one by one.
func (b *bench) singles(ctx context.Context, v *vendor, name string, flags ...string) (*crowd, error) {
	return b.crowd(ctx, v, name, flags, func(s *serve) error { return s.postJobs(ctx, singleJobs) })
}

// batches has one take as many in batches.
func (b *bench) batches(ctx context.Context, v *vendor) (*crowd, error) {
	return b.crowd(ctx, v, "singles-batches", nil, func(s *serve) error {
		for range fewBatches {
			if _, err := s.submitRows(singleJobs / fewBatches); err != nil {
				return err
			}
		}
		return nil
	})
}

func (b *bench) crowd(ctx context.Context, v *vendor, name string, flags []string, fill func(*serve) error) (_ *crowd, err error) {
	c := &crowd{}
	c.serve, err = b.startServe(ctx, b.database(name), append([]string{"--base-url", v.URL}, flags...)...)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.stop())
		}
	}()
	v.behave(manner{hook: c.hook})
	began := time.Now()
	if err := fill(c.serve); err != nil {
		return nil, err
	}
	err = c.within(ctx, singleTime, "all jobs are done", func() (bool, error) {
		if v.created() < singleJobs {
			return false, nil // questions would take some of what is measured
		}
		text, err := c.get("/metrics")
		return bytes.Contains(text, fmt.Appendf(nil, "shotline_jobs{state=\"done\"} %d\n", singleJobs)), err
	})
	if err != nil {
		return nil, err
	}
	c.took = time.Since(began)
	if c.memory, err = peakMemory(c.process.Process.Pid); err != nil {
		return nil, err
	}
	return c, c.summarized(ctx)
}

// summarized waits until no batch owes a summary any more.
func (c *crowd) summarized(ctx context.Context) (err error) {
	store, err := sqlite.Open(ctx, c.database)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	return c.within(ctx, singleTime, "all batches are summarized", func() (bool, error) {
		out, err := store.Outstanding(ctx)
		return len(out.Unfinished)+len(out.Unsummarized) == 0, err
	})
}

// beside compares what it costs to do something else.
func (b *bench) beside(ctx context.Context, v *vendor, many, few *serve) ([]figure, error) {
	const times, lists = 105, 15 // a queue that is asked five times a second needs many
	idle := make(map[*serve]float64)
	for _, s := range []*serve{many, few} {
		used, err := processorSoFar(s.process.Process.Pid)
		if err != nil {
			return nil, err
		}
		idle[s] = -used.Seconds()
	}
	select { // both at the same time, so that neither has the quieter machine
	case <-time.After(idleTime):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	took := map[string]map[*serve]latencies{"shotline list": {}, "one more job, until the vendor has it": {}}
	for _, s := range []*serve{many, few} {
		used, err := processorSoFar(s.process.Process.Pid)
		if err != nil {
			return nil, err
		}
		idle[s] = (idle[s] + used.Seconds()) / idleTime.Seconds() * 100
	}
	for i := range times {
		for _, s := range []*serve{many, few} {
			if i%(times/lists) == 0 {
				list, err := command(ctx, b.program, "list", "--db", s.database, "--json")
				if err != nil {
					return nil, err
				}
				took["shotline list"][s] = append(took["shotline list"][s], list.took)
			}
			another, err := s.another(ctx, v, singleJobs+int64(i)+1)
			if err != nil {
				return nil, err
			}
			took["one more job, until the vendor has it"][s] = append(took["one more job, until the vendor has it"][s], another)
		}
	}
	unit := fmt.Sprintf("× %d batches", fewBatches)
	figures := []figure{{What: "beside them: idle, sweeps included", Value: idle[many] / idle[few], Unit: unit, Target: atMost(1.2),
		From: fmt.Sprintf("%.1f %% of a core against %.1f %%, over %.0f s", idle[many], idle[few], idleTime.Seconds())}}
	for _, what := range slices.Sorted(maps.Keys(took)) {
		at, against := took[what][many].mean(), took[what][few].mean()
		figures = append(figures, figure{What: "beside them: " + what, Value: at / against, Unit: unit, Target: atMost(1.2),
			From: fmt.Sprintf("means %.0f ms and %.0f ms of %d", at, against, len(took[what][few]))})
	}
	return figures, nil
}

// another is how long it takes until one more job is with the vendor.
func (s *serve) another(ctx context.Context, v *vendor, n int64) (time.Duration, error) {
	before, began := v.created(), time.Now()
	if err := s.postJob(http.DefaultClient, n); err != nil {
		return 0, err
	}
	for v.created() == before {
		if time.Since(began) > soon || ctx.Err() != nil {
			return 0, errors.New("one more job did not get to the vendor")
		}
		time.Sleep(time.Millisecond)
	}
	return time.Since(began), nil
}

// created is how many creates there were.
func (v *vendor) created() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.books.creates
}

// postJobs posts so many jobs over as many connections as there are clients.
func (s *serve) postJobs(ctx context.Context, n int64) error {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: singleClients}, Timeout: soon}
	defer client.CloseIdleConnections()
	var next atomic.Int64
	failed := make(chan error, singleClients)
	var posting sync.WaitGroup
	for range singleClients {
		posting.Go(func() {
			for i := next.Add(1); i <= n && ctx.Err() == nil; i = next.Add(1) {
				if err := s.postJob(client, i); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	posting.Wait()
	close(failed)
	return errors.Join(<-failed, ctx.Err())
}

// startRedis starts one that listens on a socket alone and keeps nothing.
func startRedis(ctx context.Context, folder string) (url string, stop func(), err error) {
	socket := filepath.Join(folder, "redis.sock")
	server := exec.CommandContext(ctx, "redis-server", "--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no", "--dir", folder)
	if err := server.Start(); err != nil {
		return "", nil, fmt.Errorf("start redis-server: %w", err)
	}
	return "redis-socket://" + socket, func() { _ = server.Process.Kill(); _ = server.Wait() }, nil
}

func (s *serve) postJob(client *http.Client, n int64) error {
	response, err := client.Post(s.api+"/v1/jobs", "application/json", strings.NewReader(fmt.Sprintf(`{"url":"https://bench.test/%d"}`, n)))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode >= 300 {
		err = fmt.Errorf("POST /v1/jobs: %d %s", response.StatusCode, text)
	}
	return err
}
