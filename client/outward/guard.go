// Package outward makes guarded calls to addresses from outside, such as callback
// URLs. Calls go through a [Guard] and can reach only public addresses, and
// private networks that the operator has allowed.
//
// The guard checks the address that is dialed, after the name was resolved. An
// attacker therefore gains nothing if a name resolves to another address the
// second time, or if an address is written in an unusual form.
package outward

import (
	"errors"
	"fmt"
	"net/netip"
	"syscall"

	"code.dny.dev/ssrf"
)

// ErrPrivate is returned for an address that is not public and not allowed.
var ErrPrivate = errors.New("not a public address")

// Guard decides which addresses can be called. It refuses private, loopback,
// link-local and other special addresses, including metadata services and IPv6
// addresses that contain such an IPv4 address, unless they are in an allowed
// network. It is safe for concurrent use.
type Guard struct{ addresses *ssrf.Guardian }

// NewGuard returns a Guard that allows public addresses and the given networks,
// on every port.
func NewGuard(allowed []netip.Prefix) *Guard {
	var v4, v6 []netip.Prefix
	for _, network := range allowed {
		switch addr := network.Addr(); {
		case addr.Is4():
			v4 = append(v4, network)
		case addr.Is4In6() && network.Bits() >= 96:
			v4 = append(v4, netip.PrefixFrom(addr.Unmap(), network.Bits()-96))
		default:
			v6 = append(v6, network)
		}
	}
	return &Guard{ssrf.New(ssrf.WithAnyPort(), ssrf.WithAllowedV4Prefixes(v4...), ssrf.WithAllowedV6Prefixes(v6...))}
}

// Control is a control function for net.Dialer. It returns an error that wraps
// ErrPrivate if the address must not be called.
func (g *Guard) Control(network, address string, raw syscall.RawConn) error {
	if err := g.addresses.Safe(network, address, raw); err != nil {
		return fmt.Errorf("%w: %w", ErrPrivate, err)
	}
	return nil
}

// allows reports whether an address can be called. An IPv4 address in IPv6 form
// is treated as the IPv4 address, because that is what is dialed.
func (g *Guard) allows(addr netip.Addr) bool { return g.addresses.SafeAddr(addr.Unmap()) == nil }
