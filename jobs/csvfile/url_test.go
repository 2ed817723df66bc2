package csvfile_test

import (
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"shotline/jobs/csvfile"
)

func TestNormalizeURL(t *testing.T) {
	long := strings.Repeat("x", csvfile.MaxURL)
	tests := []struct {
		in, want string
		err      string // part of the message
	}{
		{"https://example.com", "https://example.com/", ""},
		{"  https://example.com/\n", "https://example.com/", ""},
		{"HTTP://EXAMPLE.com/Path", "http://example.com/Path", ""},
		{"http://example.com:80/", "http://example.com/", ""},
		{"https://example.com:443?q", "https://example.com/?q", ""},
		{"https://example.com:80/", "https://example.com:80/", ""},
		{"https://example.com:08443/", "https://example.com:8443/", ""},
		{"https://example.com:/", "https://example.com/", ""},
		{"example.com", "https://example.com/", ""},
		{"example.com/path?q=1#top", "https://example.com/path?q=1#top", ""},
		{"example.com:8080/x", "https://example.com:8080/x", ""},
		{"//example.com/x", "https://example.com/x", ""},
		{"localhost:3000", "https://localhost:3000/", ""},
		{"LocalHost", "https://localhost/", ""},
		{"http://intranet/", "http://intranet/", ""},
		{"https://example.com./", "https://example.com./", ""},
		{"https://example.com/#/route/1", "https://example.com/#/route/1", ""},
		{"https://example.com/?", "https://example.com/?", ""},
		{"https://user:pw@example.com/", "https://user:pw@example.com/", ""},
		{"https://127.0.0.1:8080/", "https://127.0.0.1:8080/", ""},
		{"http://[::0001]:8080/", "http://[::1]:8080/", ""},
		{"[2001:DB8::1]/x", "https://[2001:db8::1]/x", ""},
		{"https://Bücher.example/ä b", "https://bücher.example/%C3%A4%20b", ""},
		{"https://例え.jp/?q=ü \"x\"", "https://例え.jp/?q=%C3%BC%20%22x%22", ""},
		{"https://example.com/a%2Fb", "https://example.com/a%2Fb", ""},
		{"https://example.com/@52.5,13.4", "https://example.com/@52.5,13.4", ""},
		{"example.com/?u=http://other.example/", "https://example.com/?u=http://other.example/", ""},

		{"", "", "no URL"},
		{"  ", "", "no URL"},
		{"word", "", "not a URL"},
		{"two words", "", "not a URL"},
		{"ftp://example.com/", "", "only http and https"},
		{"mailto:a@example.com", "", "e-mail"},
		{"me@example.com", "", "e-mail"},
		{"javascript:alert(1)", "", "not a URL"},
		{`C:\x.png`, "", "not a URL"},
		{"http:/example.com", "", "not a URL"},
		{"https://", "", "no host"},
		{"https:///path", "", "no host"},
		{"https://:80/", "", "no host"},
		{"https://exa mple.com/", "", "not a URL"},
		{"https://exa%20mple.com/", "", "not a URL"},
		{"https://a,b.example/", "", "host must not contain ','"},
		{"https://a..example/", "", "empty part"},
		{"https://" + strings.Repeat("a.", 130) + "example/", "", "too long"},
		{"https://example.com:0/", "", "bad port"},
		{"https://example.com:65536/", "", "bad port"},
		{"https://example.com:x/", "", "not a URL"},
		{"https://[::1", "", "not a URL"},
		{"https://[fe80::1%25eth0]/", "", "IPv6"},
		{"https://example.com/\x01", "", "control"},
		{"https://example.com/a\nb", "", "control"},
		{"https://example.com/\xff", "", "UTF-8"},
		{"https://example.com/" + long, "", "longer than 8192"},
		{"https://example.com/" + strings.Repeat("ü", 4000), "", "longer than 8192"},
		{"https://example.com/%zz", "", "not a URL"},
	}
	for _, tt := range tests {
		t.Run(tt.in[:min(len(tt.in), 40)], func(t *testing.T) {
			got, err := csvfile.NormalizeURL(tt.in)
			switch {
			case tt.err == "" && (err != nil || got != tt.want):
				t.Errorf("got %q, %v; want %q", got, err, tt.want)
			case tt.err != "" && (err == nil || got != "" || !strings.Contains(err.Error(), tt.err)):
				t.Errorf("got %q, %v; want an error containing %q", got, err, tt.err)
			case err != nil && len(err.Error()) > 500:
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
		})
	}
	for _, in := range []string{"https://user:hunter2@exa mple.com/", "https://user:hunter2@a,b/", "ftp://u:hunter2@x/", "user:hunter2@example.com"} {
		if _, err := csvfile.NormalizeURL(in); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", in, err)
		}
	}
}

// Normalizing twice gives the same result, and the normal form is equivalent for
// net/url.
func FuzzNormalizeURL(f *testing.F) {
	for _, s := range []string{
		"example.com", "https://u:p@EXAMPLE.com:443/ä?b c#d e", "http://[::1]:80", "//x.y", "a.b:80#", "https://ǅ.example/%41",
		"HTTP://a.b:443?", "https://a.b/%2F%2f/../x", "https://a.b:0443/", "http://a.b/#%zz", "https://a%2eb/", "http://a.b//c",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		normal, err := csvfile.NormalizeURL(s)
		if err != nil {
			return
		}
		again, err := csvfile.NormalizeURL(normal)
		if err != nil || again != normal {
			t.Errorf("%q became %q, then %q (%v)", s, normal, again, err)
		}
		got, err := url.Parse(normal)
		if err != nil || got.Scheme != "http" && got.Scheme != "https" || got.Host == "" || got.Path == "" || len(normal) > csvfile.MaxURL {
			t.Fatalf("%q became %q (%v)", s, normal, err)
		}
		given := strings.TrimSpace(s)
		switch {
		case strings.HasPrefix(given, "//"):
			given = "https:" + given
		case !strings.Contains(strings.FieldsFunc(given, func(r rune) bool { return strings.ContainsRune("/?#", r) })[0]+"/", ":/"):
			given = "https://" + given
		}
		want, err := url.Parse(given)
		if err != nil {
			t.Fatalf("%q became %q, which net/url cannot read: %v", s, normal, err)
		}
		if got.Scheme != want.Scheme || got.User.String() != want.User.String() || got.Fragment != want.Fragment {
			t.Errorf("%q became %q", s, normal)
		}
		if !sameHost(got.Hostname(), want.Hostname()) || portOf(got) != portOf(want) {
			t.Errorf("%q became %q: different host or port", s, normal)
		}
		if got.Path != want.Path && (got.Path != "/" || want.Path != "") || got.ForceQuery != want.ForceQuery {
			t.Errorf("%q became %q: different path", s, normal)
		}
		before, err1 := url.QueryUnescape(want.RawQuery)
		after, err2 := url.QueryUnescape(got.RawQuery)
		if before != after || (err1 == nil) != (err2 == nil) {
			t.Errorf("%q became %q: different query", s, normal)
		}
	})
}

// sameHost compares IP addresses by value and names without regard to case.
func sameHost(a, b string) bool {
	one, err1 := netip.ParseAddr(a)
	two, err2 := netip.ParseAddr(b)
	if err1 == nil && err2 == nil {
		return one == two
	}
	return a == strings.ToLower(b)
}

func portOf(u *url.URL) string {
	port := strings.TrimLeft(u.Port(), "0")
	if port == "" {
		return map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return port
}
