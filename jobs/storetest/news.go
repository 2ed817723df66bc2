package storetest

import (
	"context"
	"time"

	"shotline/jobs"
)

const (
	newsDelay = 5 * time.Millisecond
	newsTime  = 20 * time.Second // by then any commit has been reported, on a slow machine too
	noNews    = 100 * time.Millisecond
)

var newsTests = []test{
	{"every commit of every process is news", func(b *book) {
		other := *b
		other.Store = b.second()
		for i, write := range []func(b *book){
			func(b *book) { b.open("b1", pages(4)...) },
			func(b *book) { b.open("b2", pages(4)...) },
			func(b *book) { b.lease("b1", 1) },
			func(b *book) { b.lease("b1", 1) },
			func(b *book) { b.deliver("stranger", jobs.OutcomeDone) },
			func(b *book) { b.deliver("stranger", jobs.OutcomeDone) },
		} {
			writer := b
			if i%2 == 1 {
				writer = &other
			}
			own, others := b.version(), other.version()
			write(writer)
			b.wantNews(own)
			other.wantNews(others)
		}
	}},
	{"a caller that waits gets the news of another process", func(b *book) {
		other := b.second()
		version := b.version()
		news := b.news(b.ctx(), version)
		b.wantNone(news)
		_, err := other.AddJob(b.ctx(), jobs.BatchSpec{ID: "b1"}, page("https://example.com/"), b.now)
		b.must(err, "add job")
		if got := <-news; got.err != nil || got.version == version {
			b.t.Fatalf("News returned version %d after %d, error %v", got.version, version, got.err)
		}
	}},
	{"reading and opening are not news", func(b *book) {
		b.open("b1", pages(2)...)
		version := b.version()
		if version == 0 {
			b.t.Fatal("the version is 0")
		}
		news := b.news(b.ctx(), version)
		b.second()
		b.audit()
		b.wantNone(news)
		wantSame(b, "version", b.version(), version)
		b.lease("b1", 1)
		if got := <-news; got.err != nil {
			b.t.Fatalf("News: %v", got.err)
		}
	}},
	{"waiting for news ends with its context", func(b *book) {
		version := b.version()
		ctx, cancel := context.WithCancel(b.ctx())
		news := b.news(ctx, version)
		b.wantNone(news)
		cancel()
		got := <-news
		wantSame(b, "version", got.version, version)
		b.wantErr(got.err, context.Canceled, "news")
		_, err := b.News(ctx, version, newsDelay)
		b.wantErr(err, context.Canceled, "news with an ended context")
	}},
	{"commits within the delay share one return", func(b *book) {
		const delay = 50 * time.Millisecond
		b.open("b1", pages(100)...)
		ctx, cancel := context.WithCancel(b.ctx())
		began, returns := time.Now(), make(chan int)
		go func() {
			n := 0
			for version, err := b.News(ctx, 0, delay); err == nil; n++ {
				version, err = b.News(ctx, version, delay)
			}
			returns <- n
		}()
		for range 100 {
			_, err := b.Lease(b.ctx(), "b1", "w1", 1, b.now, b.now.Add(leaseTime))
			b.must(err, "lease")
		}
		cancel()
		if got, most := <-returns, 2+int(time.Since(began)/delay); got > most {
			b.t.Fatalf("News returned %d times, want at most %d", got, most)
		}
	}},
	{"a closed store has no news", func(b *book) {
		other := b.harness.Open(b.t)
		version, err := other.News(b.ctx(), 0, newsDelay)
		b.must(err, "news")
		b.must(other.Close(), "close")
		_, err = other.News(b.ctx(), version, newsDelay)
		b.wantErr(err, jobs.ErrUnavailable, "news of a closed store")
	}},
}

// version is the present version of the store.
func (b *book) version() jobs.Version {
	b.t.Helper()
	version, err := b.News(b.ctx(), 0, newsDelay)
	b.must(err, "read the version")
	return version
}

// wantNews checks that something was committed after a version.
func (b *book) wantNews(after jobs.Version) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx(), newsTime)
	defer cancel()
	version, err := b.News(ctx, after, newsDelay)
	b.must(err, "news after version %d", after)
	if version == after {
		b.t.Fatalf("News returned the version %d that it was given", after)
	}
	wantSame(b, "version", b.version(), version)
}

type newsResult struct {
	version jobs.Version
	err     error
}

// news calls News in a goroutine.
func (b *book) news(ctx context.Context, after jobs.Version) <-chan newsResult {
	ctx, cancel := context.WithTimeout(ctx, newsTime)
	b.t.Cleanup(cancel)
	result := make(chan newsResult, 1)
	go func() {
		version, err := b.News(ctx, after, newsDelay)
		result <- newsResult{version, err}
	}()
	return result
}

// wantNone checks that a call of News waits.
func (b *book) wantNone(news <-chan newsResult) {
	b.t.Helper()
	select {
	case got := <-news:
		b.t.Fatalf("News returned version %d, error %v, although nothing was committed", got.version, got.err)
	case <-time.After(noNews):
	}
}
