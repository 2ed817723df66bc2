package egress

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
)

// ErrShut is why an address was refused that was shut.
var ErrShut = errors.New("the address is shut")

// shut is what must not be reached though its network is open.
type shut struct {
	mu    sync.RWMutex
	hosts map[string]bool // host:port as asked for
	ports map[string]bool // of this machine
}

// Shut refuses connections to the host at these ports, and to this machine at
// these ports, by whatever name or address. It holds from now on until the proxy
// is closed.
func (p *Proxy) Shut(host string, ports ...string) {
	for _, port := range ports {
		p.shut.add(plain(host), port)
	}
}

func (s *shut) add(host, port string) {
	address := net.JoinHostPort(host, port)
	s.mu.RLock()
	known := s.hosts[address] && s.ports[port]
	s.mu.RUnlock()
	if known {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hosts == nil {
		s.hosts, s.ports = make(map[string]bool), make(map[string]bool)
	}
	s.hosts[address], s.ports[port] = true, true
}

// byName reports whether an address is shut as it was asked for.
func (s *shut) byName(host, port string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.hosts[net.JoinHostPort(host, port)]
}

// byAddress reports whether the address that is dialled is this machine's, at a
// port that is shut.
func (s *shut) byAddress(address string) bool {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return false
	}
	_, port, _ := net.SplitHostPort(address)
	s.mu.RLock()
	listed := s.ports[port]
	s.mu.RUnlock()
	return listed && isOurs(to.Addr().Unmap())
}

// isOurs reports whether connections to ip end on this machine. What cannot be
// found out counts as ours.
func isOurs(ip netip.Addr) bool {
	if ip.IsLoopback() || ip.IsUnspecified() {
		return true
	}
	ours, err := net.InterfaceAddrs()
	if err != nil {
		return true
	}
	for _, address := range ours {
		if prefix, err := netip.ParsePrefix(address.String()); err == nil && prefix.Addr().Unmap() == ip.WithZone("") {
			return true
		}
	}
	return false
}

// plain makes equal hosts equal strings.
func plain(host string) string { return strings.ToLower(strings.TrimSuffix(host, ".")) }
