package weburl

import (
	"hash/maphash"
	"strings"
	"sync/atomic"
	"unicode/utf8"
)

// hostCache contains the hosts that were converted to ASCII last. To convert a
// host takes far longer than everything else, and lists repeat their hosts. It
// has a fixed size: a host takes the place of another one with the same hash.
// It is safe for concurrent use.
type hostCache [8192]atomic.Pointer[hostPair]

// hostPair is a host as it was written, and its normal form.
type hostPair struct{ given, ascii string }

var (
	knownHosts hostCache
	hostSeed   = maphash.MakeSeed()
)

// needsConversion reports whether a host is outside ASCII, or contains what might
// be Punycode. Other hosts are not cached.
func needsConversion(host string) bool {
	for i := range len(host) {
		if host[i] >= utf8.RuneSelf || strings.HasPrefix(host[i:], "--") {
			return true
		}
	}
	return false
}

func (c *hostCache) place(given string) *atomic.Pointer[hostPair] {
	return &c[maphash.String(hostSeed, given)%uint64(len(c))]
}

// add stores a valid host.
func (c *hostCache) add(given, ascii string) {
	const longest = 1000 // bytes; bounds the memory
	if len(given) <= longest && needsConversion(given) {
		c.place(given).Store(&hostPair{strings.Clone(given), strings.Clone(ascii)}) // without the text of the row
	}
}

// get returns the normal form of a host if the cache contains it.
func (c *hostCache) get(given string) (ascii string, found bool) {
	if !needsConversion(given) {
		return "", false
	}
	pair := c.place(given).Load()
	if pair == nil || pair.given != given {
		return "", false
	}
	return pair.ascii, true
}

// knownHost replaces the host at the index by its normal form and returns its
// end, if the host is in the cache.
func (e *edited) knownHost(start int) (end int, found bool) {
	end = len(e.text)
	if i := strings.IndexAny(e.text[start:], `/\?#:@`); i >= 0 {
		end = start + i
	}
	given := e.text[start:end]
	ascii, found := knownHosts.get(given)
	if found && ascii != given {
		e.replace(start, end, ascii)
	}
	return end, found
}
