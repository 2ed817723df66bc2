package sandbox

import (
	"net/url"
	"testing"
)

func TestAddressCovers(t *testing.T) {
	for _, c := range []struct {
		base, address string
		want          bool
	}{
		{"http://127.0.0.1:8070", "http://127.0.0.1:8070/x", true},
		{"http://127.0.0.1:8070", "http://localhost:8070", true},
		{"http://127.0.0.1:8070", "https://[::1]:8070/", true},
		{"http://127.0.0.1:8070", "http://[::ffff:127.0.0.1]:8070/", true},
		{"http://127.0.0.1:8070", "http://0.0.0.0:8070/", true},
		{"http://127.0.0.1:8070", "http://127.0.0.1:8071/", false},
		{"http://127.0.0.1:8070", "http://127.0.0.1/", false},
		{"http://127.0.0.1:8070", "http://192.0.2.7:8070/", false},
		{"http://0.0.0.0:8070", "http://192.0.2.7:8070/", true},
		{"http://0.0.0.0:8070", "http://example.com:8070/", false},
		{"https://Pictures.test", "https://pictures.test./x", true},
		{"https://pictures.test", "http://pictures.test:443/x", true},
		{"https://pictures.test", "http://pictures.test/x", false},
		{"", "http://127.0.0.1/", false},
		{"", "http://127.0.0.1:9000/", true}, // the port that it listens on
		{"https://pictures.test", "http://127.0.0.1:9000/", true},
		{"https://pictures.test", "http://pictures.test:9000/", true},
		{"https://pictures.test", "http://192.0.2.7:9000/", false},
		{"/only/a/path", "http://127.0.0.1/", false},
	} {
		u, err := url.Parse(c.address)
		if err != nil {
			t.Fatal(err)
		}
		own := addressOf(c.base)
		own.LocalPort = "9000"
		if got := own.Covers(u); got != c.want {
			t.Errorf("%q covers %s: %v, want %v", c.base, c.address, got, c.want)
		}
	}
}
