// Package outward is the guarded way out: calls to addresses that somebody else
// has named, such as callback URLs, go through a [Guard] and reach public
// addresses only, unless a private network was allowed by the operator.
//
// The check is made on the address that is being dialled, after the name was
// resolved. A name that resolves to something else the second time gains
// nothing, nor does any way of writing an address.
package outward

import (
	"errors"
	"fmt"
	"net/netip"
	"syscall"

	"code.dny.dev/ssrf"
)

// ErrPrivate is why an address was refused that is not public and was not
// allowed.
var ErrPrivate = errors.New("not a public address")

// Guard knows which addresses may be called. Private, loopback, link-local and
// other special ones (metadata services among them, in all the forms in which
// IPv6 can carry an IPv4 address) are refused unless they lie in a network that
// was allowed. It is safe for concurrent use.
type Guard struct{ addresses *ssrf.Guardian }

// NewGuard lets public addresses be called, on every port, and those in the
// networks allowed.
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

// Control is for net.Dialer: it lets a connection be made, or fails with
// ErrPrivate.
func (g *Guard) Control(network, address string, raw syscall.RawConn) error {
	if err := g.addresses.Safe(network, address, raw); err != nil {
		return fmt.Errorf("%w: %w", ErrPrivate, err)
	}
	return nil
}

// open reports whether an address may be called. An IPv4 address that is written
// as an IPv6 one is dialled as what it is.
func (g *Guard) open(addr netip.Addr) bool { return g.addresses.SafeAddr(addr.Unmap()) == nil }
