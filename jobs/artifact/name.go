package artifact

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"shotline/jobs"
)

const (
	// MaxName is the largest length of the name of a file, with its folders, in
	// bytes. It leaves room for the path of the folder, because macOS limits paths to
	// 1024 bytes.
	MaxName = 700
	// maxPart is the largest length of the name of a file or of a folder, in bytes.
	maxPart = 255
	// suffixRoom is how many bytes of MaxName a Template leaves free for AddSuffix.
	suffixRoom = 16
	// standIn replaces a name that would be empty.
	standIn = "_"
)

// cleanPart returns a name of a file or folder that is like text and valid on
// Linux, macOS and Windows, except that it can be empty, too long or reserved.
func cleanPart(text string) string {
	var b strings.Builder
	space := false
	for _, r := range strings.ToValidUTF8(text, standIn) {
		r = safeRune(r)
		if r < 0 || r == ' ' && space {
			continue
		}
		space = r == ' '
		b.WriteRune(r)
	}
	name := trimEnd(strings.TrimLeft(norm.NFC.String(b.String()), " ."))
	if strings.HasPrefix(name, "-") { // programs would read it as a flag
		name = standIn + name[1:]
	}
	return name
}

// trimEnd removes the dots and spaces at the end of a name. Windows ignores them.
func trimEnd(name string) string { return strings.TrimRight(name, " .") }

// safeRune returns the replacement of a character in a name, or -1 if the
// character is to be removed.
func safeRune(r rune) rune {
	switch {
	case unicode.IsSpace(r), unicode.Is(unicode.Zs, r):
		return ' '
	case strings.ContainsRune(`/\:|`, r):
		return '-'
	case strings.ContainsRune(`<>"?*`, r):
		return '_'
	case unicode.IsControl(r), unicode.Is(unicode.Cf, r), unicode.Is(unicode.Variation_Selector, r):
		return -1 // invisible; some change the direction of the text
	case !unicode.IsGraphic(r):
		return '_'
	}
	return r
}

// reservedNames are the names of devices of Windows, also with an extension.
var reservedNames = func() map[string]bool {
	names := map[string]bool{"con": true, "prn": true, "aux": true, "nul": true, "conin$": true, "conout$": true}
	for _, digit := range "0123456789¹²³" {
		names["com"+string(digit)], names["lpt"+string(digit)] = true, true
	}
	return names
}()

// unreserve puts an underscore before a name that Windows reserves.
func unreserve(name string) string {
	device, _, _ := strings.Cut(name, ".")
	if reservedNames[strings.ToLower(trimEnd(device))] {
		return standIn + name
	}
	return name
}

// cut shortens a text to at most n bytes. It does not separate a letter from its
// accents.
func cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && (!utf8.RuneStart(text[n]) || isMark(text[n:])) {
		n--
	}
	return text[:n]
}

// isMark reports whether a text begins with a mark that belongs to the letter
// before it.
func isMark(text string) bool {
	r, _ := utf8.DecodeRuneInString(text)
	return unicode.Is(unicode.M, r)
}

// filePath is the name of a file with its folders.
type filePath struct {
	folders []string
	stem    string
	suffix  string // distinguishes the file from others with the same stem
	ext     string // with the dot
}

// String returns the path, separated by slashes, within the limits. The suffix
// and the extension are never cut.
func (p filePath) String() string {
	most := maxPart
	if p.length(most) > MaxName-suffixRoom {
		most = (MaxName - suffixRoom - len(p.folders)) / (len(p.folders) + 1)
	}
	var b strings.Builder
	b.WriteString(p.reserve())
	for _, folder := range p.folders {
		b.WriteString(limited(folder, "", most))
		b.WriteByte('/')
	}
	b.WriteString(limited(p.stem, p.suffix+p.ext, most))
	return b.String()
}

// reserve returns an underscore if the path would begin with the name of a file of
// the manifest, otherwise "".
func (p filePath) reserve() string {
	first := limited(p.stem, p.suffix+p.ext, maxPart)
	if len(p.folders) > 0 {
		first = limited(p.folders[0], "", maxPart)
	}
	switch jobs.FoldName(first) {
	case ManifestName, ManifestTableName:
		return standIn
	}
	return ""
}

// length returns the length of the path if each part has at most n bytes.
func (p filePath) length(n int) int {
	total := min(len(unreserve(p.stem))+len(p.suffix+p.ext), n)
	for _, folder := range p.folders {
		total += min(len(unreserve(folder)), n) + 1
	}
	return total
}

// limited returns the name of a file or folder: the stem, cut to n bytes in all,
// and the end.
func limited(stem, end string, n int) string {
	stem = trimEnd(cut(unreserve(stem), max(n-len(end), 1)))
	if stem == "" {
		stem = standIn
	}
	return stem + end
}

// AddSuffix returns the name of a file with a suffix before its extension, such
// as a/b-2.png. The name must come from a Template, and the suffix must be short.
func AddSuffix(name, suffix string) string {
	slash := strings.LastIndexByte(name, '/') + 1
	folders, stem, ext := name[:slash], name[slash:], ""
	if dot := strings.LastIndexByte(stem, '.'); dot > 0 {
		stem, ext = stem[:dot], stem[dot:]
	}
	return folders + limited(stem, suffix+ext, min(maxPart, MaxName-slash))
}
