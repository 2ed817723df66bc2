package tasks

import (
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

func TestParseURL(t *testing.T) {
	for _, tt := range []struct{ url, description string }{
		{"redis://127.0.0.1:6390/3", "redis at 127.0.0.1:6390 db 3"},
		{"redis://localhost", "redis at localhost:6379 db 0"},
		{"redis://[::1]/1", "redis at [::1]:6379 db 1"},
		{"redis://user:hunter2@10.0.0.1:6379", "redis at 10.0.0.1:6379 db 0"},
		{"rediss://:hunter2@cache.example:6380/0", "redis at cache.example:6380 db 0 with TLS"},
		{"redis-socket:///run/redis.sock?db=2", "redis at /run/redis.sock db 2"},
		{"redis-sentinel://:hunter2@s1:5000?master=main", "redis master main by sentinels at s1:5000"},
		{"redis-sentinel://:hunter2@s1:5000,s2,[::1]:5002?master=main", "redis master main by sentinels at s1:5000, s2:26379, [::1]:5002"},
	} {
		c, err := parseURL(tt.url)
		if err != nil {
			t.Errorf("%s: %v", tt.url, err)
			continue
		}
		if c.description != tt.description {
			t.Errorf("%s: got %q, want %q", tt.url, c.description, tt.description)
		}
		client := c.client(newConnGroup())
		if r, ok := client.(*redis.Client); ok && strings.Contains(tt.url, "user:") {
			if o := r.Options(); o.Username != "user" || o.Password != "hunter2" {
				t.Errorf("%s: credentials %q %q", tt.url, o.Username, o.Password)
			}
		}
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestURLErrorsDoNotContainThePassword(t *testing.T) {
	for _, raw := range []string{
		"localhost:6379", "http://:hunter2@localhost", "redis://:hunter2@", "redis://:hunter2@localhost/zero",
		"redis://:hunter2@localhost/-1", "redis://:hunter2@local host", "redis://:hunter2@[::1", "redis://x:hunter2%zz@h",
		"redis-socket://:hunter2@", "redis-socket:///s?db=x", "redis-sentinel://:hunter2@s1:5000",
		"redis-sentinel://:hunter2@s1,?master=m", "redis-sentinel://:hunter2@?master=m", "hunter2",
	} {
		_, err := Open(t.Context(), Options{RedisURL: raw, Logger: discard()})
		if err == nil {
			t.Errorf("%s: accepted", raw)
			continue
		}
		if text := err.Error(); !strings.Contains(text, "want redis://") || strings.Contains(text, "hunter2") {
			t.Errorf("%s: got %q", raw, text)
		}
	}
}

// For any URL, neither the error nor the description contains the password. If
// the URL is valid, its client can be closed.
func FuzzParseURL(f *testing.F) {
	const password = "hunter2canary"
	for _, seed := range [][2]string{
		{"redis://:", "@localhost:6379/0"}, {"rediss://u:", "@h"}, {"redis-socket://:", "@/a?db=1"}, {"redis-sentinel://:", "@a:1,b:2?master=m"},
		{"redis://:", "@[::1]:x/"}, {"redis://:", "@h/%zz"}, {"redis://:", ""}, {"", ""}, {"redis-sentinel://:", "@a@b?master=m"}, {"redis://:x", "/@h"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, before, after string) {
		// Place the text where a password would be, and nowhere else.
		raw := before + password + after
		c, err := parseURL(raw)
		if err != nil {
			if strings.Contains(err.Error(), password) {
				t.Fatalf("%q: the error contains the password: %v", raw, err)
			}
			return
		}
		if c.client == nil || c.description == "" {
			t.Fatalf("%q: no error, but an incomplete connection", raw)
		}
		if u, err := url.Parse(raw); err == nil && u.User != nil && strings.HasSuffix(before, ":") && strings.HasPrefix(after, "@") &&
			!strings.Contains(before+after[1:], "@") && strings.Contains(c.description, password) {
			t.Fatalf("%q: the description contains the password: %q", raw, c.description)
		}
		if err := c.client(newConnGroup()).Close(); err != nil {
			t.Fatalf("%q: %v", raw, err)
		}
	})
}

// A payload is read as it was written, or not at all.
func FuzzParseTask(f *testing.F) {
	for _, seed := range []string{`{}`, `{"batch":"b1","revision":3}`, `null`, `[`, ``, `{"batch":7}`, `{"batch":"a","more":["b","c"]}`, `{"batch":"a","batch":"\ud800"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := parseTask(data)
		if err != nil {
			if !reflect.DeepEqual(p, payload{}) {
				t.Errorf("%q: got both %+v and the error %v", data, p, err)
			}
			return
		}
		task, err := newTask(TypeSubmit, p, "id", time.Time{}, time.Minute, "q")
		if err != nil {
			t.Fatalf("%q: %v", data, err)
		}
		if again, err := parseTask(task.Payload()); err != nil || !equalPayloads(again, p) {
			t.Errorf("%q was decoded as %+v, then as %+v (%v)", data, p, again, err)
		}
	})
}

func equalPayloads(a, b payload) bool {
	more := slices.Equal(a.More, b.More)
	a.More, b.More = nil, nil
	return more && reflect.DeepEqual(a, b)
}

func TestWholeSecond(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for in, want := range map[time.Time]time.Time{at: at, at.Add(1): at.Add(time.Second), at.Add(-1): at} {
		if got := wholeSecond(in); !got.Equal(want) {
			t.Errorf("%v: got %v, want %v", in, got, want)
		}
	}
}
