package input

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path"
	"strings"

	"shotline/jobs"
	"shotline/jobs/csvfile"
)

// locations reads the addresses of a sitemap.
type locations struct {
	source *tokenSource
	tokens *xml.Decoder
	names  []string // of the open elements
	ahead  *jobs.Request
}

// tokenSource limits the memory that the decoder uses for one token.
type tokenSource struct {
	io.Reader
	left, most int
}

func (s *tokenSource) Read(p []byte) (int, error) {
	if s.left <= 0 {
		return 0, fmt.Errorf("a text or tag is longer than %d bytes", s.most)
	}
	n, err := s.Reader.Read(p[:min(len(p), 32<<10)])
	s.left -= n
	return n, err
}

func newLocations(c content, opts Options) (*locations, error) {
	r, err := c.open()
	if err != nil {
		return nil, err
	}
	l := &locations{source: &tokenSource{Reader: r, most: opts.maxRow()}}
	l.tokens = xml.NewDecoder(l.source)
	l.tokens.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil } // it is UTF-8 now
	return l, nil
}

// openSitemap opens a sitemap. If it is an index, it returns the names of its
// parts instead.
func openSitemap(c content, opts Options) (l *locations, parts []string, err error) {
	if l, err = newLocations(c, opts); err != nil {
		return nil, nil, err
	}
	first, parent, err := l.next()
	if errors.Is(err, io.EOF) {
		return nil, nil, csvfile.ErrEmpty
	}
	if err != nil {
		return nil, nil, err
	}
	if parent == "sitemap" {
		parts, err := l.parts(first.URL)
		return nil, parts, err
	}
	request := location(first)
	l.ahead = &request
	return l, nil, nil
}

// maxParts is the number of sitemaps that an index may have by its standard.
const maxParts = 50_000

// parts returns the file names of the sitemaps of an index.
func (l *locations) parts(first string) (names []string, err error) {
	seen := map[string]bool{}
	for text := first; ; {
		name := text
		if u, err := url.Parse(text); err == nil {
			name = path.Base(u.Path)
		}
		if !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
		found, _, err := l.next()
		if errors.Is(err, io.EOF) {
			return names, nil
		}
		if err != nil {
			return nil, err
		}
		if len(names) > maxParts {
			return nil, fmt.Errorf("the index has more than %d sitemaps", maxParts)
		}
		text = found.URL
	}
}

func (l *locations) Columns() []string      { return nil }
func (l *locations) URLColumn() int         { return 0 }
func (l *locations) Fields() map[string]int { return nil }
func (l *locations) Notes() []string        { return nil }

func (l *locations) Next() (jobs.Request, error) {
	if l.ahead != nil {
		request := *l.ahead
		l.ahead = nil
		return request, nil
	}
	found, _, err := l.next()
	if err != nil {
		return jobs.Request{}, err
	}
	return location(found), nil
}

func location(found jobs.Request) jobs.Request {
	request, _ := csvfile.Fields{URL: found.URL}.Request()
	request.Line = found.Line
	return request
}

// next returns the text of the next loc and its line, and the name of the element
// around it, url or sitemap.
func (l *locations) next() (found jobs.Request, parent string, err error) {
	var text strings.Builder
	for {
		l.source.left = l.source.most + 64<<10 // the decoder reads ahead
		token, err := l.tokens.Token()
		if errors.Is(err, io.EOF) {
			return found, "", io.EOF
		}
		if err != nil {
			line, _ := l.tokens.InputPos()
			return found, "", fmt.Errorf("sitemap, line %d: %w", line, err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			if len(l.names) > 100 {
				return found, "", errors.New("sitemap: nested too deeply")
			}
			l.names = append(l.names, token.Name.Local)
			if l.isLocation() {
				found.Line, _ = l.tokens.InputPos()
				text.Reset()
			}
		case xml.CharData:
			if l.isLocation() {
				text.Write(token)
			}
		case xml.EndElement:
			isLocation := l.isLocation()
			l.names = l.names[:len(l.names)-1]
			if isLocation {
				found.URL = strings.TrimSpace(text.String())
				return found, l.names[1], nil
			}
		}
	}
}

// isLocation reports whether the current element is the address of a page or of a
// sitemap, and not of an image, for example.
func (l *locations) isLocation() bool {
	return len(l.names) == 3 && l.names[2] == "loc" && (l.names[1] == "url" || l.names[1] == "sitemap")
}
