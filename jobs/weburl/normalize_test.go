package weburl_test

import (
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"shotline/jobs/weburl"
)

// accepted are texts and their normal forms.
var accepted = []struct{ text, want string }{
	{"https://example.com", "https://example.com/"},
	{"https://example.com/#/route/1", "https://example.com/#/route/1"},
	{"https://example.com/?", "https://example.com/?"},
	{"https://example.com#", "https://example.com/#"},
	{"https://example.com?q", "https://example.com/?q"},
	{"https://example.com/@52.5,13.4", "https://example.com/@52.5,13.4"},
	{"https://example.com./", "https://example.com./"},
	{"https://a_b.example/", "https://a_b.example/"},
	{"https://-a--b-.example/", "https://-a--b-.example/"},
	{"http://intranet/", "http://intranet/"},
	{"HTTP://EXAMPLE.com/Path", "http://example.com/Path"},
	{"hTTpS://example.com", "https://example.com/"},

	// Ports and users.
	{"http://example.com:80/", "http://example.com/"},
	{"https://example.com:443?q", "https://example.com/?q"},
	{"https://example.com:80/", "https://example.com:80/"},
	{"http://example.com:443", "http://example.com:443/"},
	{"https://example.com:08443/", "https://example.com:8443/"},
	{"https://example.com:/", "https://example.com/"},
	{"https://user:pw@example.com/", "https://user:pw@example.com/"},
	{"https://user@example.com", "https://user@example.com/"},
	{"https://:@example.com", "https://example.com/"},
	{"https://a@b:c@d@example.com", "https://a%40b:c%40d@example.com/"},
	{"https://us er:p;w'@example.com", "https://us%20er:p%3Bw'@example.com/"},

	// Escapes stay as they are.
	{"https://example.com/a%2Fb", "https://example.com/a%2Fb"},
	{"https://example.com/wiki/AC%2FDC – live", "https://example.com/wiki/AC%2FDC%20%E2%80%93%20live"},
	{"https://example.com/wiki/AC/DC – live", "https://example.com/wiki/AC/DC%20%E2%80%93%20live"},
	{"https://example.com/files/a%2Bb c.pdf", "https://example.com/files/a%2Bb%20c.pdf"},
	{"https://example.com/files/a%26b é", "https://example.com/files/a%26b%20%C3%A9"},
	{"https://example.com/files/a%3Bb ü", "https://example.com/files/a%3Bb%20%C3%BC"},
	{"https://example.com/f#a%2Fb c", "https://example.com/f#a%2Fb%20c"},
	{"https://example.com/?a%2fb=c d&e+f", "https://example.com/?a%2fb=c%20d&e+f"},
	{"https://example.com/%7Euser/%41", "https://example.com/%7Euser/%41"},
	{"https://example.com/sale/50%-off", "https://example.com/sale/50%-off"},
	{"https://example.com/100%?100%#100%", "https://example.com/100%?100%#100%"},
	{"https://example.com/%zz é", "https://example.com/%zz%20%C3%A9"},
	{"https://example.com/\"<>`{}|^'", "https://example.com/%22%3C%3E%60%7B%7D|^'"},
	{"https://example.com/?\"<>`{}|^'", "https://example.com/?%22%3C%3E`{}|^%27"},
	{"https://example.com/#\"<>`{}|^'", "https://example.com/#%22%3C%3E%60{}|^'"},
	{"https://example.com/My Report.pdf", "https://example.com/My%20Report.pdf"},
	{"https://example.com/?q=\"><b>", "https://example.com/?q=%22%3E%3Cb%3E"},
	{"https://example.com/❤️", "https://example.com/%E2%9D%A4%EF%B8%8F"},
	{"https://example.com/a\u200bb\u00ad\u202ec", "https://example.com/a%E2%80%8Bb%C2%AD%E2%80%AEc"},

	// Slashes, backslashes, dots.
	{`https:\\example.com\a\b`, "https://example.com/a/b"},
	{`https://example.com/a\..\b?c\d#e\f`, `https://example.com/b?c\d#e\f`},
	{"https:///example.com", "https://example.com/"},
	{"https://///example.com//a//", "https://example.com//a//"},
	{"https://example.com/a/./b/../c", "https://example.com/a/c"},
	{"https://example.com/../../a/..", "https://example.com/"},
	{"https://example.com/a/%2E/b/%2e%2E/c", "https://example.com/a/c"},
	{"https://example.com/.well-known/.../..a", "https://example.com/.well-known/.../..a"},
	{"https://example.com?../a#../b", "https://example.com/?../a#../b"},

	// Hosts.
	{"https://Bücher.example/ä b", "https://xn--bcher-kva.example/%C3%A4%20b"},
	{"https://BU\u0308CHER.example/", "https://xn--bcher-kva.example/"},
	{"https://xn--bcher-kva.example/", "https://xn--bcher-kva.example/"},
	{"https://b%C3%BCcher.example/", "https://xn--bcher-kva.example/"},
	{"https://XN--BCHER-KVA.example/", "https://xn--bcher-kva.example/"},
	{"https://faß.example/", "https://xn--fa-hia.example/"},
	{"https://例え.jp/?q=ü \"x\"", "https://xn--r8jz45g.jp/?q=%C3%BC%20%22x%22"},
	{"https://例え。jp/", "https://xn--r8jz45g.jp/"},
	{"https://exam\u00adple\u200b.com/", "https://example.com/"},
	{"https://ｅｘａｍｐｌｅ．com/", "https://example.com/"},
	{"https://ex%61mple.com/", "https://example.com/"},
	{"https://💩.example/", "https://xn--ls8h.example/"},
	{"https://127.0.0.1:8080/", "https://127.0.0.1:8080/"},
	{"http://127.1/", "http://127.0.0.1/"},
	{"http://0x7F.0.0.01/", "http://127.0.0.1/"},
	{"http://2130706433/", "http://127.0.0.1/"},
	{"http://192.0.2.1./", "http://192.0.2.1/"},
	{"http://1.2.3.4.example/", "http://1.2.3.4.example/"},
	{"http://[::0001]:8080/", "http://[::1]:8080/"},
	{"http://[2001:DB8:0:0:1::]:80/", "http://[2001:db8:0:0:1::]/"},
	{"http://[::ffff:1.2.3.4]/", "http://[::ffff:102:304]/"},

	// No scheme.
	{"example.com", "https://example.com/"},
	{"Example.com/path?q=1#top", "https://example.com/path?q=1#top"},
	{"example.com:8080/x", "https://example.com:8080/x"},
	{"example.com:80/a", "http://example.com/a"},
	{"example.com:080", "http://example.com/"},
	{"example.com:443", "https://example.com/"},
	{"192.0.2.10:80", "http://192.0.2.10/"},
	{"192.0.2.10", "https://192.0.2.10/"},
	{"[2001:db8::1]:80", "http://[2001:db8::1]/"},
	{"[2001:DB8::1]/x", "https://[2001:db8::1]/x"},
	{"//example.com/x", "https://example.com/x"},
	{"//example.com:80/x", "http://example.com/x"},
	{"localhost:3000", "https://localhost:3000/"},
	{"LocalHost", "https://localhost/"},
	{"bücher.example", "https://xn--bcher-kva.example/"},
	{"例え。jp", "https://xn--r8jz45g.jp/"},
	{`example.com\a`, "https://example.com/a"},
	{"example.com/?u=http://other.example/", "https://example.com/?u=http://other.example/"},
	{"https.example.com:80", "http://https.example.com/"},

	// The ends.
	{"  https://example.com/\n", "https://example.com/"},
	{"\u00a0https://example.com/1\u00a0", "https://example.com/1"},
	{"\ufeffhttps://example.com/3\u200b", "https://example.com/3"},
	{"\u200b \u00ad\u2060https://example.com/4\u00ad\u200d\ufeff", "https://example.com/4"},
	{"\u202ahttps://example.com/6\u202c", "https://example.com/6"},
	{"\u2066example.com\u2069", "https://example.com/"},
	{"\x00\x1b\u0085https://example.com/\x1f", "https://example.com/"},
	{"<https://example.com/1>", "https://example.com/1"},
	{"\ufffchttps://example.com/5\ufffc", "https://example.com/5"},
	{" <\u200bexample.com > ", "https://example.com/"},

	// Wrapped lines.
	{"https://example.com/a-long-\r\npath", "https://example.com/a-long-path"},
	{"ht\ntps://exam\tple.com/", "https://example.com/"},
}

func TestNormalize(t *testing.T) {
	for _, tt := range accepted {
		t.Run(tt.text, func(t *testing.T) {
			got, err := weburl.Normalize(tt.text)
			if err != nil || got != tt.want {
				t.Fatalf("got %q, %v; want %q", got, err, tt.want)
			}
			if again, err := weburl.Normalize(got); err != nil || again != got {
				t.Errorf("%q became %q, %v", got, again, err)
			}
		})
	}
}

func TestNormalizeRefuses(t *testing.T) {
	for _, tt := range []struct{ text, err string }{
		{"", "no URL"},
		{" \u200b<>", "no URL"},
		{"word", "neither a host"},
		{"two words", "not a URL"},
		{"two words.example", "host must not contain \" \""},
		{"ftp://example.com/", "only http and https"},
		{"file:///etc/hosts", "only http and https"},
		{"httpſ://example.com/", "only http and https"},
		{"me@example.com", "e-mail"},
		{"mailto:a@example.com", "e-mail"},
		{"mailto:nobody", "only http and https"},
		{"javascript:alert(1)", "only http and https"},
		{"tel:911", "only http and https"},
		{"tel:+49 30 123456", "only http and https"},
		{"sms:12345", "only http and https"},
		{"sms:+4930123456?body=x", "only http and https"},
		{"intranet:8080", `if "intranet" is a host, write http:// before it`},
		{`C:\x.png`, "only http and https"},
		{`\\server.example\share`, "not a URL"},
		{"3.14", "IPv4"},
		{"12.05.2026", "IPv4"},

		{"http:/example.com", "two slashes after \"http:\""},
		{"HTTPS:example.com", "two slashes after \"https:\""},
		{"http//example.com", "want http://"},
		{"https", "want https://"},
		{"http://http://example.com/", "scheme occurs twice"},
		{"https://https//example.com", "scheme occurs twice"},
		{"http://HTTPS:example.com", "scheme occurs twice"},
		{"https://http:/example.com", "scheme occurs twice"},
		{"http://u:p@http/", "scheme occurs twice"},

		{"https://", "no host"},
		{"https:///", "no host"},
		{"https://?q", "no host"},
		{"https://:80/", "no host"},
		{"https://user@/", "no host"},
		{"https://exa mple.com/", "host must not contain \" \""},
		{"https://exa%20mple.com/", "host must not contain \" \""},
		{"https://a,b.example/", "host must not contain \",\""},
		{"https://a|b.example/", "host must not contain \"|\""},
		{"https://a.example,https://b.example", "host must not contain \",\""},
		{"https://xn--zz-.example/", "not a valid host name"},
		{"https://b%FFcher.example/", "not a valid host name"},
		{"https://a..example/", "empty part"},
		{"https://.example/", "empty part"},
		{"https://" + strings.Repeat("a", 64) + ".example/", "longer than 63"},
		{"https://" + strings.Repeat("a.", 130) + "example/", "too long"},
		{"https://1.2.3.256/", "IPv4"},
		{"https://1.2.3.4.5/", "IPv4"},
		{"https://1.2.3.-4/", "IPv4"},
		{"https://1.－2.3.4/", "IPv4"},
		{"https://[::1", "IPv6"},
		{"https://[[::1]]/", "IPv6"},
		{"https://[1::2::3]/", "IPv6"},
		{"https://[fe80::1%25eth0]/", "IPv6"},
		{"https://example.com:0/", "bad port"},
		{"https://example.com:65536/", "bad port"},
		{"https://example.com:x/", "bad port"},

		{"https://example.com/\x01b", "control characters: U+0001"},
		{"https://example.com/a\u0092b", "control characters: U+0092"},
		{"https://example.com/a\nhttps://example.com/b", "more than one URL"},
		{"https://example.com/a\t WWW.example.com/b", "tab or line break"},
		{"https://example.com/a\r\nwww.example.com/b", "more than one URL"},
		{"https://example.com/a\nA page", "tab or line break"},
		{"example.com\nexample.org", "tab or line break"},
		{"https://example.com/\xff", "UTF-8"},
		{"https://example.com/" + strings.Repeat("x", weburl.MaxLength), "longer than 8192"},
		{"https://example.com/" + strings.Repeat("ü", 4000), "longer than 8192"},
	} {
		t.Run(tt.text[:min(len(tt.text), 40)], func(t *testing.T) {
			got, err := weburl.Normalize(tt.text)
			if err == nil || got != "" || !strings.Contains(err.Error(), tt.err) {
				t.Fatalf("got %q, %v; want an error containing %q", got, err, tt.err)
			}
			if len(err.Error()) > 500 {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
		})
	}
}

// No error contains a password.
func TestErrorsHidePasswords(t *testing.T) {
	for _, text := range []string{
		"https://user:hunter2@exa mple.com/", "https://user:hunter2@a,b/", "ftp://u:hunter2@x/", "user:hunter2@example.com",
		"http:user:hunter2@example.com", `http:\\user:hunter2@a..b`, "https://user:hunter2＠example.com/", "https://user:hunter2@example.com:99999",
		"https://u:hunter2@http://a.b", "https://u:hunter2@/", "https://u:hunter2@[::1", "https://u:hunter2@example.com/\x01 a",
		"https://u:hunter2@a.b/\nhttps://c.d/", "https://u:hunter2@1.2.3.999/", "https://u:hunter2@" + strings.Repeat("a", 9000),
	} {
		if got, err := weburl.Normalize(text); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}

// A result is ASCII, an http or https URL with a host and a path, and normalizing
// it again does not change it.
func FuzzNormalize(f *testing.F) {
	for _, tt := range accepted {
		f.Add(tt.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		normal, err := weburl.Normalize(text)
		if err != nil {
			if message := err.Error(); normal != "" || len(message) > 600 || !utf8.ValidString(message) {
				t.Fatalf("%q became %q with the error %q", text, normal, message)
			}
			return
		}
		if again, err := weburl.Normalize(normal); err != nil || again != normal {
			t.Errorf("%q became %q, then %q (%v)", text, normal, again, err)
		}
		if strings.ContainsFunc(normal, func(r rune) bool { return r <= ' ' || r >= 0x7f }) || len(normal) > weburl.MaxLength {
			t.Errorf("%q became %q", text, normal)
		}
		// net/url refuses a percent sign that encodes nothing.
		u, err := url.Parse(strings.ReplaceAll(normal, "%", ""))
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || !strings.HasPrefix(u.Path, "/") {
			t.Errorf("%q became %q, which net/url cannot read: %v", text, normal, err)
		}
	})
}
