package csvfile

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxURL is the maximum length of a URL in bytes.
const MaxURL = 8192

// NormalizeURL returns s in the form in which URLs are compared and sent, or an
// error if s is not a web address. It is meant for cells of a file and for
// command line arguments:
//
//   - Surrounding space is removed, and a bare host such as example.com/path
//     gets the prefix https://.
//   - Scheme and host become lower-case, a default port is removed, an empty
//     path becomes /, and characters that are invalid in a URL are
//     percent-encoded.
//   - Query, fragment (single-page applications depend on it) and user
//     information are kept. A host with non-ASCII characters is not changed,
//     because the vendor's browser can handle it.
//
// Normalizing the result again does not change it. Errors do not contain the
// password of a URL.
func NormalizeURL(s string) (string, error) {
	s = strings.TrimSpace(s)
	switch {
	case s == "":
		return "", errors.New("no URL")
	case len(s) > MaxURL:
		return "", fmt.Errorf("URL is longer than %d bytes", MaxURL)
	case !utf8.ValidString(s):
		return "", errors.New("URL is not valid UTF-8")
	case strings.ContainsFunc(s, unicode.IsControl):
		return "", errors.New("URL contains control characters")
	}
	full, err := withScheme(s)
	if err != nil {
		return "", err
	}
	u, err := url.Parse(full)
	if err != nil {
		return "", notURL(s)
	}
	u.Scheme = strings.ToLower(u.Scheme)
	if u.Scheme != "http" && u.Scheme != "https" {
		return "", fmt.Errorf("%w: only http and https are supported", notURL(s))
	}
	host, err := normalHost(u)
	if err != nil {
		return "", fmt.Errorf("%w: %w", notURL(s), err)
	}
	normal := assemble(u, host)
	if len(normal) > MaxURL {
		return "", fmt.Errorf("URL is longer than %d bytes", MaxURL)
	}
	return normal, nil
}

// withScheme adds https:// to s if s can only begin with a host.
func withScheme(s string) (string, error) {
	if scheme, _, found := strings.Cut(s, "://"); found && !strings.ContainsAny(scheme, "/?#") {
		return s, nil
	}
	if strings.HasPrefix(s, "//") {
		return "https:" + s, nil
	}
	authority := s
	if i := strings.IndexAny(s, "/?#"); i >= 0 {
		authority = s[:i]
	}
	if strings.Contains(authority, "@") {
		return "", fmt.Errorf("%w: looks like an e-mail address", notURL(s))
	}
	if strings.HasPrefix(authority, "[") {
		return "https://" + s, nil
	}
	host, port, hasPort := strings.Cut(authority, ":")
	if hasPort {
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return "", notURL(s) // mailto:, javascript: or a drive letter
		}
	} else if !strings.Contains(host, ".") && !strings.EqualFold(host, "localhost") {
		return "", notURL(s) // a single word
	}
	return "https://" + s, nil
}

// normalHost checks the host and the port of u and returns them in normal form.
func normalHost(u *url.URL) (string, error) {
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if host == "" {
		return "", errors.New("no host")
	}
	if strings.HasPrefix(u.Host, "[") {
		addr, err := netip.ParseAddr(host)
		if err != nil || !addr.Is6() || addr.Zone() != "" {
			return "", errors.New("bad IPv6 address")
		}
		host = "[" + addr.String() + "]"
	} else if err := checkHost(host); err != nil {
		return "", err
	}
	if port == "" {
		return host, nil
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return "", errors.New("bad port")
	}
	if u.Scheme == "http" && n == 80 || u.Scheme == "https" && n == 443 {
		return host, nil
	}
	return host + ":" + strconv.FormatUint(n, 10), nil
}

func checkHost(host string) error {
	if len(host) > 253 {
		return errors.New("host is too long")
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(host, "."), ".") {
		if label == "" {
			return errors.New("host has an empty part")
		}
		for _, r := range label {
			ok := r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' ||
				r >= utf8.RuneSelf && unicode.IsGraphic(r) && !unicode.IsSpace(r)
			if !ok {
				return fmt.Errorf("host must not contain %q", r)
			}
		}
	}
	return nil
}

// assemble returns the text of the URL. It does not use url.URL.String, because
// that would percent-encode non-ASCII characters in the host, and no resolver
// accepts such names.
func assemble(u *url.URL, host string) string {
	var b strings.Builder
	b.WriteString(u.Scheme)
	b.WriteString("://")
	if u.User != nil {
		b.WriteString(u.User.String())
		b.WriteByte('@')
	}
	b.WriteString(host)
	if path := u.EscapedPath(); path != "" {
		b.WriteString(path)
	} else {
		b.WriteByte('/')
	}
	if u.RawQuery != "" || u.ForceQuery {
		b.WriteByte('?')
		escapeQuery(&b, u.RawQuery)
	}
	if u.Fragment != "" {
		b.WriteByte('#')
		b.WriteString(u.EscapedFragment())
	}
	return b.String()
}

// escapeQuery encodes the characters that a browser would encode. Other
// characters are not changed, because only the site knows their meaning.
func escapeQuery(b *strings.Builder, query string) {
	for i := range len(query) {
		switch c := query[i]; {
		case c <= ' ' || c >= 0x7f || c == '"' || c == '<' || c == '>':
			fmt.Fprintf(b, "%%%02X", c)
		default:
			b.WriteByte(c)
		}
	}
}

func notURL(s string) error { return fmt.Errorf("not a URL: %q", excerpt(s)) }

// excerpt shortens a text for an error and removes a possible password.
func excerpt(s string) string {
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		scheme, _, found := strings.Cut(s[:i], "://")
		if found {
			scheme += "://"
		} else {
			scheme = ""
		}
		s = scheme + "…" + s[i:]
	}
	const limit = 80
	s = strings.ToValidUTF8(s, "\ufffd")
	if n := 0; len(s) > limit {
		for i := range s {
			if n++; n > limit {
				return s[:i] + "…"
			}
		}
	}
	return s
}
