package csvfile_test

import (
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
		{"https://a,b.example/", "", "host must not hold ','"},
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
				t.Errorf("got %q, %v; want an error telling %q", got, err, tt.err)
			case err != nil && len(err.Error()) > 500:
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
		})
	}
	for _, in := range []string{"https://user:hunter2@exa mple.com/", "https://user:hunter2@a,b/", "ftp://u:hunter2@x/", "user:hunter2@example.com"} {
		if _, err := csvfile.NormalizeURL(in); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", in, err)
		}
	}
}

func FuzzNormalizeURL(f *testing.F) {
	for _, s := range []string{"example.com", "https://u:p@EXAMPLE.com:443/ä?b c#d e", "http://[::1]:80", "//x.y", "a.b:80#", "https://ǅ.example/%41"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		normal, err := csvfile.NormalizeURL(s)
		if err != nil {
			return
		}
		if !strings.HasPrefix(normal, "http://") && !strings.HasPrefix(normal, "https://") {
			t.Errorf("%q became %q", s, normal)
		}
		again, err := csvfile.NormalizeURL(normal)
		if err != nil || again != normal {
			t.Errorf("%q became %q, and that %q (%v)", s, normal, again, err)
		}
	})
}
