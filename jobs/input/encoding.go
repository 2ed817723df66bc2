package input

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// ErrEncoding means that the name of an encoding is not known, or that the text
// has none that can be recognized.
var ErrEncoding = errors.New("unknown encoding")

// CheckEncoding returns an error if there is no encoding with this name. Names are
// those of the web, such as utf-8, utf-16le, windows-1252 or shift_jis.
func CheckEncoding(name string) error {
	_, err := findEncoding(name)
	return err
}

func findEncoding(name string) (encoding.Encoding, error) {
	found, err := htmlindex.Get(name)
	if err != nil || found == encoding.Replacement {
		return nil, fmt.Errorf("%w %q: want a name such as utf-8, utf-16le, windows-1252 or shift_jis", ErrEncoding, name)
	}
	return found, nil
}

// decoded is content in another encoding than UTF-8.
type decoded struct {
	content
	from encoding.Encoding
}

func (d decoded) open() (io.Reader, error) {
	r, err := d.content.open()
	if err != nil {
		return nil, err
	}
	return transform.NewReader(r, d.from.NewDecoder()), nil
}

// Byte order marks.
var (
	mark8    = []byte("\xef\xbb\xbf")
	mark16le = []byte("\xff\xfe")
	mark16be = []byte("\xfe\xff")
	mark32le = []byte("\xff\xfe\x00\x00")
	mark32be = []byte("\x00\x00\xfe\xff")
)

var (
	utf16le = unicode.UTF16(unicode.LittleEndian, unicode.UseBOM)
	utf16be = unicode.UTF16(unicode.BigEndian, unicode.UseBOM)
)

// toUTF8 returns the content in UTF-8. If the user names no encoding, it is UTF-8,
// UTF-16, or the one that the text declares; if it is none of these, it is
// Windows-1252, which the note says. It returns ErrEncoding if the text has bytes
// that do not exist there.
func toUTF8(c content, begin []byte, name string) (text content, note string, err error) {
	if name != "" {
		found, err := findEncoding(name)
		switch {
		case err != nil:
			return nil, "", err
		case found == unicode.UTF8:
			return c, "", nil
		case bytes.HasPrefix(begin, mark16be) && strings.HasPrefix(strings.ToLower(name), "utf-16"):
			found = utf16be
		}
		return decoded{c, found}, "", nil
	}
	switch {
	case bytes.HasPrefix(begin, mark16le):
		return decoded{c, utf16le}, "", nil
	case bytes.HasPrefix(begin, mark16be):
		return decoded{c, utf16be}, "", nil
	}
	if order := unmarkedUTF16(begin); order != nil {
		return decoded{c, order}, "", nil
	}
	found, err := examine(c)
	if err != nil || found.invalid == 0 {
		return c, "", err
	}
	if declared := declaredEncoding(begin); declared != nil {
		return decoded{c, declared}, "", nil
	}
	if found.wide >= found.invalid {
		return c, fmt.Sprintf("line %d is not UTF-8: such rows are rejected; --encoding NAME decides how to read them", found.line), nil
	}
	if err := refuseControls(begin); err != nil {
		return nil, "", err
	}
	if found.foreign != 0 {
		return nil, "", fmt.Errorf("%w: line %d has the byte 0x%02X, which is neither UTF-8 nor Windows-1252; name the encoding, such as shift_jis (--encoding NAME, or the charset over HTTP)",
			ErrEncoding, found.foreignLine, found.foreign)
	}
	return decoded{c, charmap.Windows1252}, fmt.Sprintf("read as Windows-1252, because line %d is not UTF-8; --encoding NAME decides", found.line), nil
}

// unmarkedUTF16 returns the byte order if the text is UTF-16 without a byte order
// mark: every other byte of a URL is then zero.
func unmarkedUTF16(begin []byte) encoding.Encoding {
	pairs := len(begin) / 2
	if pairs < 4 {
		return nil
	}
	var first, second int
	for i := 0; i+1 < len(begin); i += 2 {
		if begin[i] == 0 {
			first++
		}
		if begin[i+1] == 0 {
			second++
		}
	}
	switch {
	case 3*second >= pairs && 20*first <= pairs:
		return utf16le
	case 3*first >= pairs && 20*second <= pairs:
		return utf16be
	}
	return nil
}

var declaration = regexp.MustCompile(`^\s*<\?xml[^>]*\sencoding=["']([^"']+)["']`)

// declaredEncoding returns the encoding that an XML declaration names.
func declaredEncoding(begin []byte) encoding.Encoding {
	named := declaration.FindSubmatch(begin)
	if named == nil {
		return nil
	}
	found, err := findEncoding(string(named[1]))
	if err != nil || found == unicode.UTF8 {
		return nil
	}
	return found
}

// validity is how much of a text is UTF-8.
type validity struct {
	invalid int // bytes that are not UTF-8
	wide    int // characters of several bytes
	line    int // of the first invalid byte

	foreign     byte // the first byte that does not exist in Windows-1252; 0: there is none
	foreignLine int
}

// isForeign reports whether a byte does not exist in Windows-1252.
func isForeign(c byte) bool { return bytes.IndexByte([]byte("\x81\x8d\x8f\x90\x9d"), c) >= 0 }

// examine reads the whole content.
func examine(c content) (found validity, err error) {
	r, err := c.open()
	if err != nil {
		return found, err
	}
	line, kept := 1, 0
	for buf := make([]byte, 64<<10); ; {
		n, err := r.Read(buf[kept:])
		data := buf[:kept+n]
		atEnd := err != nil
		if err != nil && !errors.Is(err, io.EOF) {
			return found, err
		}
		kept = found.add(data, &line, atEnd)
		if atEnd {
			return found, nil
		}
		copy(buf, data[len(data)-kept:])
	}
}

// add examines data and returns how many bytes at its end are a part of a
// character or of a line ending.
func (v *validity) add(data []byte, line *int, atEnd bool) (kept int) {
	for len(data) > 0 {
		plain := 0
		for plain < len(data) && data[plain] < utf8.RuneSelf {
			if !atEnd && data[plain] == '\r' && plain+1 == len(data) {
				return 1
			}
			if data[plain] == '\n' || data[plain] == '\r' && (plain+1 == len(data) || data[plain+1] != '\n') {
				*line++
			}
			plain++
		}
		if data = data[plain:]; len(data) == 0 {
			break
		}
		if !atEnd && !utf8.FullRune(data) {
			return len(data)
		}
		r, size := utf8.DecodeRune(data)
		if r == utf8.RuneError && size == 1 {
			if v.invalid++; v.line == 0 {
				v.line = *line
			}
		} else {
			v.wide++
		}
		if i := slices.IndexFunc(data[:size], isForeign); i >= 0 && v.foreign == 0 {
			v.foreign, v.foreignLine = data[i], *line
		}
		data = data[size:]
	}
	return 0
}
