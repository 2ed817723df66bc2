package sandbox

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// Address is where a sandbox is reached: host and port of its base URL and,
// where a proxy stands in front of it, the port that it listens on itself. The
// zero value belongs to no sandbox.
type Address struct{ Host, Port, LocalPort string }

// Ports are the ports that requests for this sandbox can go to.
func (a Address) Ports() []string {
	ports := slices.DeleteFunc([]string{a.Port, a.LocalPort}, func(port string) bool { return port == "" })
	return slices.Compact(ports)
}

// addressOf reads a base URL; one that names no host gives the zero Address.
func addressOf(baseURL string) Address {
	u, err := url.Parse(baseURL)
	if err != nil || u.Host == "" {
		return Address{}
	}
	// Browsers write both their own way.
	host, port := plainHost(u.Hostname()), PortOf(u)
	if name, err := hosts.ToASCII(host); err == nil {
		host = name
	}
	if trimmed := strings.TrimLeft(port, "0"); trimmed != "" {
		port = trimmed
	}
	return Address{Host: host, Port: port}
}

// names reports whether host is this sandbox by its name: the host of the base
// URL, this machine's loopback, or, where the sandbox listens on all of the
// machine's addresses, any IP address.
func (a Address) names(host string) bool {
	host = plainHost(host)
	if host == "localhost" || host != "" && host == a.Host {
		return true
	}
	ip, err := netip.ParseAddr(host)
	if err != nil || ip.Is4In6() { // browsers take the latter for a foreign machine, and send no Origin
		return false
	}
	own, err := netip.ParseAddr(a.Host)
	return ip.IsLoopback() || err == nil && own.IsUnspecified()
}

// PortOf is the port a request for u goes to, the scheme's own when u names
// none.
func PortOf(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https" || u.Scheme == "wss":
		return "443"
	default:
		return "80"
	}
}

// plainHost makes equal hosts equal strings.
func plainHost(host string) string {
	return strings.ToLower(strings.TrimSuffix(host, "."))
}
