package weburl

import (
	"testing"
	"unicode/utf8"
)

// plain returns what parse returns.
func FuzzPlain(f *testing.F) {
	for _, s := range []string{
		"https://example.com", "http://example.com/a?b#c", "https://Example.COM:443/ä b\"<>`{}|^'?ä b\"<>`{}|^'#ä b\"<>`{}|^'",
		"http://example.com:080/", "https://a.b:8443?x", "https://a.b#x#y", "https://a.b/..x/.", "https://a.b/%2e%2E/%2F", "https://xn--a.b/",
		"https://XN--bcher-kva.example/", "https://a.0x1/", "https://1.2.3.4", "https://a_b.-c.d--e/", "http://https/", "https://a.b/\\?\\#\\",
		"https://a..b/", "https://a.b./", "https://u:p@a.b/", "https://a.b:/", "https://a.b:65536/", "http://a.b:80", "https://a.b/%zz%?%zz%#%",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) || trim(s) != s {
			return // Normalize has dealt with these
		}
		got, ok := plain(s)
		if !ok {
			return
		}
		if want, err := parse(s, false); err != nil || got != want {
			t.Errorf("%q became %q; parse returns %q, %v", s, got, want, err)
		}
	})
}
