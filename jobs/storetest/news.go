package storetest

import (
	"context"
	"time"

	"shotline/jobs"
)

const (
	newsDelay = 5 * time.Millisecond
	newsTime  = 20 * time.Second // any commit has been reported by then, even on a slow machine
	noNews    = 100 * time.Millisecond
)

var newsTests = []test{
	{"every commit of every process is news", func(f *fixture) {
		other := *f
		other.Store = f.openStore()
		for i, write := range []func(f *fixture){
			func(f *fixture) { f.open("b1", pages(4)...) },
			func(f *fixture) { f.open("b2", pages(4)...) },
			func(f *fixture) { f.lease("b1", 1) },
			func(f *fixture) { f.lease("b1", 1) },
			func(f *fixture) { f.deliver("stranger", jobs.OutcomeDone) },
			func(f *fixture) { f.deliver("stranger", jobs.OutcomeDone) },
		} {
			writer := f
			if i%2 == 1 {
				writer = &other
			}
			own, others := f.version(), other.version()
			write(writer)
			f.wantNews(own)
			other.wantNews(others)
		}
	}},
	{"a caller that waits gets the news of another process", func(f *fixture) {
		other := f.openStore()
		version := f.version()
		news := f.news(f.ctx(), version)
		f.wantNone(news)
		_, err := other.AddJob(f.ctx(), jobs.BatchSpec{ID: "b1"}, page("https://example.com/"), f.now)
		f.must(err, "add job")
		if got := <-news; got.err != nil || got.version == version {
			f.t.Fatalf("News returned version %d after %d, error %v", got.version, version, got.err)
		}
	}},
	{"reading and opening are not news", func(f *fixture) {
		f.open("b1", pages(2)...)
		version := f.version()
		if version == 0 {
			f.t.Fatal("the version is 0")
		}
		news := f.news(f.ctx(), version)
		f.openStore()
		f.audit()
		f.wantNone(news)
		wantSame(f, "version", f.version(), version)
		f.lease("b1", 1)
		if got := <-news; got.err != nil {
			f.t.Fatalf("News: %v", got.err)
		}
	}},
	{"waiting for news ends with its context", func(f *fixture) {
		version := f.version()
		ctx, cancel := context.WithCancel(f.ctx())
		news := f.news(ctx, version)
		f.wantNone(news)
		cancel()
		got := <-news
		wantSame(f, "version", got.version, version)
		f.wantErr(got.err, context.Canceled, "news")
		_, err := f.News(ctx, version, newsDelay)
		f.wantErr(err, context.Canceled, "news with an ended context")
	}},
	{"commits within the delay share one return", func(f *fixture) {
		const delay = 50 * time.Millisecond
		f.open("b1", pages(100)...)
		ctx, cancel := context.WithCancel(f.ctx())
		began, returns := time.Now(), make(chan int)
		go func() {
			n := 0
			for version, err := f.News(ctx, 0, delay); err == nil; n++ {
				version, err = f.News(ctx, version, delay)
			}
			returns <- n
		}()
		for range 100 {
			_, err := f.Lease(f.ctx(), "b1", "w1", 1, f.now, f.now.Add(leaseTime))
			f.must(err, "lease")
		}
		cancel()
		if got, most := <-returns, 2+int(time.Since(began)/delay); got > most {
			f.t.Fatalf("News returned %d times, want at most %d", got, most)
		}
	}},
	{"a closed store has no news", func(f *fixture) {
		other := f.harness.Open(f.t)
		version, err := other.News(f.ctx(), 0, newsDelay)
		f.must(err, "news")
		f.must(other.Close(), "close")
		_, err = other.News(f.ctx(), version, newsDelay)
		f.wantErr(err, jobs.ErrUnavailable, "news of a closed store")
	}},
}

// version returns the current version of the store.
func (f *fixture) version() jobs.Version {
	f.t.Helper()
	version, err := f.News(f.ctx(), 0, newsDelay)
	f.must(err, "read the version")
	return version
}

// wantNews checks that something was committed after a version.
func (f *fixture) wantNews(after jobs.Version) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.ctx(), newsTime)
	defer cancel()
	version, err := f.News(ctx, after, newsDelay)
	f.must(err, "news after version %d", after)
	if version == after {
		f.t.Fatalf("News returned the version %d that it was given", after)
	}
	wantSame(f, "version", f.version(), version)
}

type newsResult struct {
	version jobs.Version
	err     error
}

// news calls News in a goroutine.
func (f *fixture) news(ctx context.Context, after jobs.Version) <-chan newsResult {
	ctx, cancel := context.WithTimeout(ctx, newsTime)
	f.t.Cleanup(cancel)
	result := make(chan newsResult, 1)
	go func() {
		version, err := f.News(ctx, after, newsDelay)
		result <- newsResult{version, err}
	}()
	return result
}

// wantNone checks that a call of News is still waiting.
func (f *fixture) wantNone(news <-chan newsResult) {
	f.t.Helper()
	select {
	case got := <-news:
		f.t.Fatalf("News returned version %d, error %v, although nothing was committed", got.version, got.err)
	case <-time.After(noNews):
	}
}
