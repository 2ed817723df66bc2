package callback

import (
	"cmp"
	"net/netip"
	"net/url"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// group holds the lanes of targets that one owner can create in any number: the
// hosts below one registered domain, or all public addresses.
type group struct {
	name        string
	lanes       map[string]*lane
	underWay    int
	shared      int  // attempts under way in shared slots
	isUnhealthy bool // the last attempt failed or was slow

	waiting []*lane // lanes with waiting callbacks, in order, without repeats
}

func largestFirst(a, b *group) int {
	return cmp.Or(cmp.Compare(len(b.lanes), len(a.lanes)), strings.Compare(a.name, b.name))
}

// publicAddresses is the group of targets whose URLs contain a public IP address.
const publicAddresses = "addresses"

// groupOf returns the name of the lane's group. Sinks, host names without a dot, and
// private addresses each form a group of their own, since the operator has allowed
// them.
func groupOf(lane string) string {
	u, err := url.Parse(lane)
	if err != nil || strings.HasPrefix(lane, sinkPrefix) {
		return lane
	}
	host := strings.TrimRight(u.Hostname(), ".")
	if address, err := netip.ParseAddr(host); err == nil {
		if address = address.Unmap(); address.IsPrivate() || address.IsLoopback() || !address.IsGlobalUnicast() {
			return lane
		}
		return publicAddresses
	}
	domain, err := publicsuffix.EffectiveTLDPlusOne(host)
	if err != nil {
		return lane
	}
	return domain
}
