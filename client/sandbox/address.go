package sandbox

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/idna"
)

// hosts converts a host to the form in which browsers look it up: lower case, and
// xn-- labels for non-ASCII names.
var hosts = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.StrictDomainName(false))

// Address is where clients reach a sandbox: the host and port of its base URL
// and, if a proxy stands in front of the sandbox, the port that the sandbox
// itself listens on. The zero value matches no sandbox.
type Address struct{ Host, Port, LocalPort string }

// Ports returns the ports on which requests can reach this sandbox.
func (a Address) Ports() []string {
	ports := slices.DeleteFunc([]string{a.Port, a.LocalPort}, func(port string) bool { return port == "" })
	return slices.Compact(ports)
}

// addressOf returns the Address of a base URL. It returns the zero Address if the
// URL has no host.
func addressOf(baseURL string) Address {
	u, err := url.Parse(baseURL)
	if err != nil || u.Host == "" {
		return Address{}
	}
	// Normalize host and port the way browsers do.
	host, port := normalHost(u.Hostname()), PortOf(u)
	if name, err := hosts.ToASCII(host); err == nil {
		host = name
	}
	if trimmed := strings.TrimLeft(port, "0"); trimmed != "" {
		port = trimmed
	}
	return Address{Host: host, Port: port}
}

// matches reports whether host is a name of this sandbox: the host of the base
// URL, a loopback address or, if the sandbox listens on all addresses of the
// machine, any IP address.
func (a Address) matches(host string) bool {
	host = normalHost(host)
	if host == "localhost" || host != "" && host == a.Host {
		return true
	}
	ip, err := netip.ParseAddr(host)
	if err != nil || ip.Is4In6() { // browsers treat an IPv4-mapped address as a remote host and send no Origin
		return false
	}
	own, err := netip.ParseAddr(a.Host)
	return ip.IsLoopback() || err == nil && own.IsUnspecified()
}

// PortOf returns the port that a request for u uses: the port of u, or the
// default port of its scheme.
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

// normalHost returns host in lower case and without a final dot, so that equal
// hosts are equal strings.
func normalHost(host string) string {
	return strings.ToLower(strings.TrimSuffix(host, "."))
}
