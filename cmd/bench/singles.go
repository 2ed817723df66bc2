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
	fewBatches    = 100 // with as many jobs in total
	idleTime      = 20 * time.Second
	singleTime    = 10 * time.Minute // limit for all jobs
)

// measureSingles measures many jobs that are created one by one, with Redis and
// with the embedded queue. It then compares them with as many jobs in a few
// batches: what does serve use when it is idle, and how long do other commands
// and jobs take?
func measureSingles(ctx context.Context, b *bench) (_ []figure, err error) {
	vendor := newVendor()
	defer vendor.Close()
	redis, stop, err := startRedis(ctx, b.folder)
	if err != nil {
		return nil, err
	}
	defer stop()
	redisServe, err := b.singles(ctx, vendor, "singles-redis", "--redis-url", redis)
	if err != nil {
		return nil, err
	}
	if err := redisServe.stop(); err != nil {
		return nil, err
	}
	embeddedServe, err := b.singles(ctx, vendor, "singles-embedded")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, embeddedServe.stop()) }()
	few, err := b.batches(ctx, vendor)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, few.stop()) }()
	beside, err := b.beside(ctx, vendor, embeddedServe.serve, few.serve)
	label := fmt.Sprintf("%d jobs one by one, embedded queue: ", singleJobs)
	return append([]figure{
		{What: label + "until all are done", Value: embeddedServe.took.Seconds() / redisServe.took.Seconds(), Unit: "× Redis", Target: atMost(1.5),
			From: fmt.Sprintf("%.1f s against %.1f s", embeddedServe.took.Seconds(), redisServe.took.Seconds())},
		{What: label + "peak memory", Value: embeddedServe.memory / redisServe.memory, Unit: "× Redis", Target: atMost(1.5),
			From: fmt.Sprintf("%.0f MB against %.0f MB", embeddedServe.memory, redisServe.memory)},
	}, beside...), err
}

// loadedServe is a serve that has done many jobs.
type loadedServe struct {
	*serve
	took   time.Duration // until all jobs were done
	memory float64       // peak memory in MB
}

// singles starts a serve and creates all jobs one by one.
func (b *bench) singles(ctx context.Context, v *vendor, name string, flags ...string) (*loadedServe, error) {
	return b.startLoaded(ctx, v, name, flags, func(s *serve) error { return s.postJobs(ctx, singleJobs) })
}

// batches starts a serve and creates as many jobs in batches.
func (b *bench) batches(ctx context.Context, v *vendor) (*loadedServe, error) {
	return b.startLoaded(ctx, v, "singles-batches", nil, func(s *serve) error {
		for range fewBatches {
			if _, err := s.submitRows(singleJobs / fewBatches); err != nil {
				return err
			}
		}
		return nil
	})
}

// startLoaded starts a serve and creates jobs with fill. It returns when all jobs are
// done and all batches have their summaries.
func (b *bench) startLoaded(ctx context.Context, v *vendor, name string, flags []string, fill func(*serve) error) (_ *loadedServe, err error) {
	c := &loadedServe{}
	c.serve, err = b.startServe(ctx, b.database(name), append([]string{"--base-url", v.URL}, flags...)...)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.stop())
		}
	}()
	v.behave(behavior{hook: c.hook})
	began := time.Now()
	if err := fill(c.serve); err != nil {
		return nil, err
	}
	err = c.waitWithin(ctx, singleTime, "all jobs are done", func() (bool, error) {
		if v.created() < singleJobs {
			return false, nil // requests would use some of the CPU that is measured
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
	return c, c.awaitSummaries(ctx)
}

// awaitSummaries waits until every batch has its summary.
func (c *loadedServe) awaitSummaries(ctx context.Context) (err error) {
	store, err := sqlite.Open(ctx, c.database)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	return c.waitWithin(ctx, singleTime, "all batches are summarized", func() (bool, error) {
		out, err := store.Outstanding(ctx)
		return len(out.Unfinished)+len(out.Unsummarized) == 0, err
	})
}

// beside compares two serves while they are idle, and while they do other work.
func (b *bench) beside(ctx context.Context, v *vendor, many, few *serve) ([]figure, error) {
	const times, lists = 105, 15 // many, because the queue is polled only five times a second
	idle := make(map[*serve]float64)
	for _, s := range []*serve{many, few} {
		used, err := processorSoFar(s.process.Process.Pid)
		if err != nil {
			return nil, err
		}
		idle[s] = -used.Seconds()
	}
	select { // both at the same time, so that other load on the machine affects both
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
			delay, err := s.submitOne(ctx, v, singleJobs+int64(i)+1)
			if err != nil {
				return nil, err
			}
			took["one more job, until the vendor has it"][s] = append(took["one more job, until the vendor has it"][s], delay)
		}
	}
	unit := fmt.Sprintf("× %d batches", fewBatches)
	figures := []figure{{What: "beside them: idle, sweeps included", Value: idle[many] / idle[few], Unit: unit, Target: atMost(1.2),
		From: fmt.Sprintf("%.1f %% of a core against %.1f %%, over %.0f s", idle[many], idle[few], idleTime.Seconds())}}
	for _, what := range slices.Sorted(maps.Keys(took)) {
		manyMean, fewMean := took[what][many].mean(), took[what][few].mean()
		figures = append(figures, figure{What: "beside them: " + what, Value: manyMean / fewMean, Unit: unit, Target: atMost(1.2),
			From: fmt.Sprintf("means %.0f ms and %.0f ms of %d", manyMean, fewMean, len(took[what][few]))})
	}
	return figures, nil
}

// submitOne returns how long it takes until the vendor has one more job.
func (s *serve) submitOne(ctx context.Context, v *vendor, n int64) (time.Duration, error) {
	before, began := v.created(), time.Now()
	if err := s.postJob(http.DefaultClient, n); err != nil {
		return 0, err
	}
	for v.created() == before {
		if time.Since(began) > shortTimeout || ctx.Err() != nil {
			return 0, errors.New("one more job did not reach the vendor")
		}
		time.Sleep(time.Millisecond)
	}
	return time.Since(began), nil
}

// created returns the number of creates.
func (v *vendor) created() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.record.creates
}

// postJobs creates n jobs over singleClients connections.
func (s *serve) postJobs(ctx context.Context, n int64) error {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: singleClients}, Timeout: shortTimeout}
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

// startRedis starts a Redis that listens on a Unix socket only and persists
// nothing.
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
