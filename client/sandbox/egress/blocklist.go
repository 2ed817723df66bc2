package egress

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
)

// ErrBlocked is the error for an address that was blocked with Block.
var ErrBlocked = errors.New("the address is blocked")

// blocklist contains addresses that are blocked even if their network is allowed.
type blocklist struct {
	mu    sync.RWMutex
	hosts map[string]bool // host:port as requested
	ports map[string]bool // ports of this machine
}

// Block refuses connections to host at these ports, and to this machine at these
// ports under any name or address. The block cannot be removed.
func (p *Proxy) Block(host string, ports ...string) {
	for _, port := range ports {
		p.blocklist.add(normalHost(host), port)
	}
}

func (s *blocklist) add(host, port string) {
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

// byName reports whether a requested host and port are blocked.
func (s *blocklist) byName(host, port string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.hosts[net.JoinHostPort(host, port)]
}

// byAddress reports whether address is a blocked port of this machine.
func (s *blocklist) byAddress(address string) bool {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return false
	}
	_, port, _ := net.SplitHostPort(address)
	s.mu.RLock()
	listed := s.ports[port]
	s.mu.RUnlock()
	return listed && isLocal(to.Addr().Unmap())
}

// isLocal reports whether connections to ip end on this machine. If this cannot
// be determined, it returns true.
func isLocal(ip netip.Addr) bool {
	if ip.IsLoopback() || ip.IsUnspecified() {
		return true
	}
	local, err := net.InterfaceAddrs()
	if err != nil {
		return true
	}
	for _, address := range local {
		if prefix, err := netip.ParsePrefix(address.String()); err == nil && prefix.Addr().Unmap() == ip.WithZone("") {
			return true
		}
	}
	return false
}

// normalHost returns host in lower case and without a final dot, so that equal
// hosts are equal strings.
func normalHost(host string) string { return strings.ToLower(strings.TrimSuffix(host, ".")) }
