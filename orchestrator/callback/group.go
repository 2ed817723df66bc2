package callback

import (
	"cmp"
	"net/netip"
	"net/url"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// group are the lanes whose targets one owner can make as many of as he likes:
// the hosts below one registered domain, or all public addresses.
type group struct {
	name     string
	lanes    map[string]*lane
	underWay int
	shared   int  // of underWay, those in shared slots
	isAiling bool // the last attempt failed or was slow

	waiting []*lane // one after the other, each once
}

func largestFirst(a, b *group) int {
	return cmp.Or(cmp.Compare(len(b.lanes), len(a.lanes)), strings.Compare(a.name, b.name))
}

// publicAddresses is the group of targets that are named by a public address.
const publicAddresses = "addresses"

// groupOf is the group of a lane. Sinks, single words and private addresses, all
// of which the operator has allowed, are each a group of their own.
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
