package sandbox

import (
	"strconv"
	"strings"
	"testing"

	"shotline/client/pageurl"
)

// TestSign compares with: openssl dgst -sha256 -hmac 'whsec top secret'.
func TestSign(t *testing.T) {
	got := sign("whsec top secret", []byte(`{"event":"screenshot.completed","screenshot_id":"sc_abc123"}`))
	if want := "sha256=a97661cd7747284608e76ed7fc927b6ec635a908c51b28c225625e33346f9fb0"; got != want {
		t.Errorf("signature is %s, want %s", got, want)
	}
}

func TestNormaliseURL(t *testing.T) {
	for raw, want := range map[string]string{
		"https://example.com":            "https://example.com/",
		"HTTP://EXAMPLE.com/Path":        "http://example.com/Path",
		" https://example.com?q=A ":      "https://example.com/?q=A",
		"https://Example.com:8443/a#b":   "https://example.com:8443/a#b",
		"https://example.com/%7Ea?b=%20": "https://example.com/%7Ea?b=%20",
		"http://a.test:80/x":             "http://a.test/x",
		"https://a.test:443":             "https://a.test/",
		"https://a.test:80/":             "https://a.test:80/",
		"https://a.test/b/../c/./d/..":   "https://a.test/c/",
		"https://a.test/b%2F..%2Fc":      "https://a.test/b%2F..%2Fc",
		"http://MÜNCHEN.de/ü?q=ü b":      "http://xn--mnchen-3ya.de/%C3%BC?q=%C3%BC%20b",
		"https://例え.テスト":                 "https://xn--r8jz45g.xn--zckzah/",
		"https://my_host.test":           "https://my_host.test/",
		"https://[2001:DB8::1]:443/":     "https://[2001:db8::1]/",
		"https://user:pw@A.test/":        "https://user:pw@a.test/",
		"https://a.test/?":               "https://a.test/?",
		`https:\\a.test\b`:               "https://a.test/b",
		"https://a.test/50%-off?100%":    "https://a.test/50%-off?100%",
		"https://a.test/AC%2FDC – live":  "https://a.test/AC%2FDC%20%E2%80%93%20live",
	} {
		if got, err := normaliseURL(raw); got != want || err != nil {
			t.Errorf("normaliseURL(%q) = %q, %v, want %q", raw, got, err, want)
		}
	}
	for _, raw := range []string{"", "example.com", "ftp://a.test", "https://", "https://a.test:99999/", "https://a.test:0/", "https://xn--a.test/", "https://a.test:x/", "https://a b.test/", "https://a.test/\xff"} {
		if got, err := normaliseURL(raw); err == nil {
			t.Errorf("normaliseURL(%q) = %q, want an error", raw, got)
		}
	}
}

func FuzzNormaliseURL(f *testing.F) {
	for _, seed := range []string{"https://example.com", "HTTP://A/%zz", "https://[::1]:80", "//x", "https://é/?ü", "javascript:1", "https://u:p@H/", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		once, err := normaliseURL(raw)
		if err != nil {
			return
		}
		u, err := pageurl.Parse(once)
		if err != nil || u.Path == "" || u.Hostname() == "" || !strings.HasPrefix(u.Scheme, "http") {
			t.Fatalf("%q became %q (%v)", raw, once, err)
		}
		if twice, err := normaliseURL(once); len(once) <= maxURLLength && (err != nil || twice != once) {
			t.Fatalf("%q became %q, then %q (%v)", raw, once, twice, err)
		}
	})
}

func FuzzParseApps(f *testing.F) {
	for _, seed := range []string{"12", `{"12":"a/{id}.png"}`, `{"12":3}`, "{", " 7 ", `{"":""}`, "null"} {
		f.Add(seed, "34")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		apps, err := parseApps([]string{a, b})
		if err != nil {
			return
		}
		seen := map[string]bool{}
		for _, app := range apps {
			if !validAppID(app.id) || seen[app.id] || len(apps) > maxApps {
				t.Fatalf("%q and %q became %+v", a, b, apps)
			}
			seen[app.id] = true
		}
	})
}

func TestSubjectsOfFaultsAreBounded(t *testing.T) {
	set, err := newFaultSet([]Fault{{Name: faultCreateCut, Probability: 0.5}}, 1)
	if err != nil {
		t.Fatal(err)
	}
	for i := range maxSubjects + 3 {
		set.next(strconv.Itoa(i))
	}
	if len(set.seen) != maxSubjects || len(set.subjects) != maxSubjects {
		t.Errorf("got %d and %d subjects, want %d", len(set.seen), len(set.subjects), maxSubjects)
	}
	if c := set.next("2"); c.occurrence != 1 {
		t.Errorf("occurrence of a forgotten subject is %d, want 1", c.occurrence)
	}
	if c := set.next("100"); c.occurrence != 2 {
		t.Errorf("occurrence of a remembered subject is %d, want 2", c.occurrence)
	}
}
