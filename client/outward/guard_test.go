package outward

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
)

// special are addresses that must be refused, as written in a URL.
var special = []string{
	// this host, unspecified, broadcast
	"127.0.0.1", "127.0.0.2", "127.255.255.254", "[::1]", "[0:0:0:0:0:0:0:1]", "0.0.0.0", "0.1.2.3", "[::]", "255.255.255.255",
	// private
	"10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "192.168.255.255", "[fc00::1]", "[fd12:3456::1]",
	// link-local, metadata services
	"169.254.0.1", "169.254.169.254", "169.254.170.2", "[fe80::1]", "[fd00:ec2::254]", "100.100.100.200", "192.0.0.192",
	// carrier-grade NAT, protocol assignments, benchmarking, documentation, reserved
	"100.64.0.1", "100.127.255.255", "192.0.0.8", "198.18.0.1", "198.19.255.255", "192.0.2.1", "198.51.100.1", "203.0.113.1",
	"192.88.99.1", "240.0.0.1", "254.1.2.3", "[2001:db8::1]", "[3fff::1]", "[100::1]", "[5f00::1]", "[2001:2::1]", "[2001:20::1]",
	// multicast
	"224.0.0.1", "239.255.255.255", "[ff02::1]", "[ff0e::1]",
	// IPv4 within IPv6: mapped, compatible, translated, NAT64, 6to4, Teredo, ISATAP
	"[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::ffff:10.0.0.1]", "[::ffff:169.254.169.254]", "[0:0:0:0:0:ffff:a9fe:a9fe]",
	"[::127.0.0.1]", "[::ffff:0:127.0.0.1]", "[64:ff9b::127.0.0.1]", "[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::1]",
	"[2002:7f00:1::]", "[2002:a9fe:a9fe::1]", "[2001::1]", "[2001:0:7f00:1::1]", "[fe80::5efe:127.0.0.1]",
	// site-local, deprecated
	"[fec0::1]",
}

// public are addresses that are allowed.
var public = []string{
	"8.8.8.8", "1.1.1.1", "93.184.215.14", "9.255.255.255", "11.0.0.0", "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0",
	"100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.1", "169.253.255.255", "169.255.0.0", "198.17.255.255", "198.20.0.0",
	"223.255.255.255", "[2606:4700:4700::1111]", "[2a00:1450:4001:81b::200e]", "[::ffff:8.8.8.8]",
}

func TestSpecialAddressesAreRefused(t *testing.T) {
	g := NewGuard(nil)
	client := g.Client(Limits{})
	defer client.CloseIdleConnections()
	for _, host := range special {
		if err := g.CheckURL("https://" + host + ":8443/hook"); !errors.Is(err, ErrPrivate) {
			t.Errorf("CheckURL of %s: got %v", host, err)
		}
		answer, err := client.Get("http://" + host + ":9/")
		if err == nil {
			answer.Body.Close()
		}
		if !errors.Is(err, ErrPrivate) {
			t.Errorf("call of %s: got %v", host, err)
		}
		if Reason(err) != "not a public address" {
			t.Errorf("%s: Reason is %q", host, Reason(err))
		}
	}
}

func TestPublicAddressesAreAllowed(t *testing.T) {
	g := NewGuard(nil)
	for _, host := range public {
		if err := g.CheckURL("http://" + host + "/"); err != nil {
			t.Errorf("CheckURL of %s: got %v", host, err)
		}
		dialed, network := netip.MustParseAddr(withoutBrackets(host)).Unmap(), "tcp6"
		if dialed.Is4() {
			network = "tcp4"
		}
		if err := g.Control(network, net.JoinHostPort(dialed.String(), "443"), nil); err != nil {
			t.Errorf("call of %s: got %v", host, err)
		}
	}
}

func withoutBrackets(host string) string {
	if host[0] == '[' {
		return host[1 : len(host)-1]
	}
	return host
}

func TestOnlyAllowedNetworksAreOpen(t *testing.T) {
	g := NewGuard([]netip.Prefix{
		netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00::/8"), netip.MustParsePrefix("::ffff:192.168.7.0/120"),
	})
	for host, isOpen := range map[string]bool{
		"10.1.2.3": true, "[::ffff:10.1.2.3]": true, "[fd00::1]": true, "192.168.7.1": true, "8.8.8.8": true,
		"10.2.0.1": false, "192.168.8.1": false, "[fc00::1]": false, "127.0.0.1": false, "localhost": false,
	} {
		if err := g.CheckURL("http://" + host); (err == nil) != isOpen {
			t.Errorf("%s: %v", host, err)
		}
	}
}

func TestCheckURL(t *testing.T) {
	g := NewGuard(nil)
	for _, tt := range []struct{ url, want string }{
		{"https://hooks.example.com/a?b=c#d", ""}, {"http://example.com", ""}, {"http://example.com.:8080/", ""}, {"https://xn--bcher-kva.example/", ""},
		{"https://a_b.example.com/", ""}, {"HTTPS://EXAMPLE.COM/", ""}, {"https://1.example/", ""}, {"https://8.8.8.8:65535/", ""}, {"https://face.b00c/", ""},
		{"", "no URL"}, {"https://example.com/" + string(make([]byte, MaxURL)), "longer than 2048"},
		{"example.com", "begins with https://"}, {"ftp://example.com/", "begins with https://"}, {"javascript:alert(1)", "begins with https://"},
		{"file:///etc/passwd", "begins with https://"}, {"gopher://example.com", "begins with https://"}, {"//example.com/", "begins with https://"},
		{"https://", "without a host"}, {"https:///path", "without a host"}, {"https:example.com", "without a host"}, {"https://:443/", "without a host"},
		{"https://user@example.com/", "user or password"}, {"https://u:hunter2@example.com/", "user or password"}, {"https://8.8.8.8@127.0.0.1/", "user or password"},
		{"https://example.com:0/", "port"}, {"https://example.com:65536/", "port"}, {"https://example.com:hunter2/", "not a URL"},
		{"https://exa mple.com/", "not a URL"}, {" https://example.com/", "not a URL"}, {"https://example.com/\n", "not a URL"}, {"https://[::1", "not a URL"},
		{"https://example..com/", "invalid host name"}, {"https://.example.com/", "invalid host name"}, {"https://a,b/", "invalid host name"}, {"https://exa%2dmple.com/", "not a URL"}, {"https://a%00b/", "not a URL"},
		{"https://bücher.example/", "xn--"}, {"https://127。0。0。1/", "xn--"}, {"https://①②⑦.0.0.1/", "xn--"},
		{"http://[fe80::1%25eth0]/", "zone"}, {"http://[2606:4700::1%25lo]/", "zone"}, {"http://[127.0.0.1]/", "not a URL"}, {"http://[v1.a]/", "not a URL"},
		{"http://localhost/", ErrPrivate.Error()}, {"http://LOCALHOST:80/", ErrPrivate.Error()}, {"http://a.localhost./", ErrPrivate.Error()},
		{"http://%31%32%37.0.0.1/", "not a URL"},
		{"http://0x7f.1/", "number"}, {"http://0x7f000001/", "number"}, {"http://2130706433/", "number"}, {"http://0177.0.0.1/", "number"}, {"http://127.1/", "number"},
		{"http://127.0.0.1./", "number"}, {"http://0x7f.0x0.0x0.0x1/", "number"}, {"http://017700000001/", "number"}, {"http://00000000.0.0.1/", "number"},
		{"http://1.2.3.4.5/", "number"}, {"http://256.256.256.256/", "number"}, {"http://127.0.0.01/", "number"}, {"http://0X7F.1/", "number"}, {"http://0x/", "number"},
		{"http://999999999999/", "number"}, {"http://3232235521/", "number"}, {"http://a.0x1f/", "number"},
	} {
		err := g.CheckURL(tt.url)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%.80q: got %v, want %q", tt.url, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error contains the password: %v", err)
		}
	}
}
