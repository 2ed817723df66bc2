package weburl

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

// A URL whose host is known has the same normal form as before, and other URLs
// are not mistaken for it.
func TestKnownHost(t *testing.T) {
	knownHosts = hostCache{}
	texts := []string{
		"https://bücher.example/a", "HTTPS://BÜCHER.example", "http://bücher.example:80?q ü", "https://bücher.example:8443/a/../b", "bücher.example/%zz",
		"https://user:pw@bücher.example/", "https://bücher.example@evil.example/", "https://bücher.example:pw@evil.example/", `https://bücher.example\a`,
		"https://xn--bcher-kva.example/#é", "https://xn--bcher-kva.example:0/", "https://bücher。example", "https://B%C3%BCcher.example/x", "https://１.2.3.4/",
		"https://bü cher.example/", "https://xn--a.example/", "https://bücher", "https://intranet--1/", "https://bücher.example.", "https://a.b.bücher.example./",
	}
	var first []string
	for _, text := range texts {
		knownHosts = hostCache{}
		got, err := Normalize(text)
		first = append(first, fmt.Sprint(got, err))
	}
	for range 2 {
		for i, text := range texts {
			if got, err := Normalize(text); fmt.Sprint(got, err) != first[i] {
				t.Errorf("Normalize(%q) = %q, %v with known hosts, without them %s", text, got, err, first[i])
			}
		}
	}
	for given, want := range map[string]string{"bücher.example": "xn--bcher-kva.example", "xn--bcher-kva.example": "xn--bcher-kva.example", "bücher.example.": "xn--bcher-kva.example."} {
		if got, found := knownHosts.get(given); !found || got != want {
			t.Errorf("the cache has %q, %t for %q, want %q", got, found, given, want)
		}
	}
	for _, given := range []string{"evil.example", "xn--a.example", "１.2.3.4", "bü cher.example"} {
		if got, found := knownHosts.get(given); found {
			t.Errorf("the cache has %q for %q", got, given)
		}
	}
	if got, ok := plain("https://bücher.example/"); !ok || got != "https://xn--bcher-kva.example/" {
		t.Errorf("a known host was not used: %q, %t", got, ok)
	}
}

// Lists with more hosts than the cache has places are read correctly, by several
// readers at a time. A long host is not kept.
func TestManyHosts(t *testing.T) {
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for i := range 3 * len(knownHosts) {
				if got, err := Normalize(fmt.Sprintf("https://n%d--.example/", i)); err != nil || got != fmt.Sprintf("https://n%d--.example/", i) {
					t.Errorf("host %d became %q, %v", i, got, err)
				}
			}
		})
	}
	readers.Wait()
	knownHosts.add(strings.Repeat("ü", 1000), "x")
	if _, found := knownHosts.get(strings.Repeat("ü", 1000)); found {
		t.Error("a host of 2,000 bytes is kept")
	}
}
