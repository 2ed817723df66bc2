package input

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// ErrFormat means that a file has a format that cannot be read.
var ErrFormat = errors.New("not a list of URLs")

func refused(what, advice string) error {
	if advice == "" {
		advice = "give a CSV file, a list of URLs, JSON Lines, a sitemap or an .xlsx workbook"
	}
	return fmt.Errorf("%w: it is %s; %s", ErrFormat, what, advice)
}

// magics are the beginnings of files that are refused.
var magics = []struct{ begin, what, advice string }{
	{"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel file (.xls) or a file with a password", "save it as .xlsx or CSV UTF-8"},
	{"%PDF-", "a PDF", ""},
	{"\x89PNG\r\n\x1a\n", "an image (PNG)", ""},
	{"\xff\xd8\xff", "an image (JPEG)", ""},
	{"GIF87a", "an image (GIF)", ""},
	{"GIF89a", "an image (GIF)", ""},
	{"II*\x00", "an image (TIFF)", ""},
	{"MM\x00*", "an image (TIFF)", ""},
	{"SQLite format 3\x00", "a SQLite database", ""},
	{"\x7fELF", "a program", ""},
	{"{\\rtf", "an RTF document", "save it as plain text"},
	{"BZh", "compressed with bzip2", "decompress it first"},
	{"\xfd7zXZ\x00", "compressed with xz", "decompress it first"},
	{"\x28\xb5\x2f\xfd", "compressed with zstd", "decompress it first"},
	{"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it first"},
	{"Rar!\x1a\x07", "a RAR archive", "unpack it first"},
	{"PAR1", "a Parquet file", "convert it to CSV"},
	{"bplist00", "a property list", ""},
	{string(mark32le), "UTF-32 text", "save it as UTF-8"},
	{string(mark32be), "UTF-32 text", "save it as UTF-8"},
}

const zipMagic = "PK\x03\x04"

// refuseBinary returns an error that names the format if the content is not text.
func refuseBinary(begin []byte) error {
	for _, m := range magics {
		if bytes.HasPrefix(begin, []byte(m.begin)) {
			return refused(m.what, m.advice)
		}
	}
	if len(begin) > 12 && string(begin[:4]) == "RIFF" {
		return refused("an image (WebP) or a sound", "")
	}
	if len(begin) > 262 && string(begin[257:262]) == "ustar" {
		return refused("a tar archive", "unpack it first")
	}
	return nil
}

// refuseControls returns an error if one of 20 bytes is a control character that
// texts do not have. In random bytes, it is one of ten.
func refuseControls(begin []byte) error {
	controls := 0
	for _, c := range begin {
		if c < ' ' && c != '\t' && c != '\n' && c != '\r' && c != '\f' && c != 0x1a {
			controls++
		}
	}
	if 20*controls > len(begin) {
		return refused("a binary file", "")
	}
	return nil
}

// checkWorkbook returns an error if a ZIP archive is not an Excel workbook, which
// names what it is.
func checkWorkbook(archive *zip.Reader) error {
	what := "a ZIP archive"
	for _, file := range archive.File {
		switch {
		case file.Name == "xl/workbook.xml":
			what = ""
		case file.Name == "xl/workbook.bin":
			what = "a binary Excel workbook (.xlsb)"
		case file.Name == "mimetype":
			what = openDocument(file)
		case strings.HasPrefix(file.Name, "word/"):
			what = "a Word document"
		case strings.HasPrefix(file.Name, "ppt/"):
			what = "a PowerPoint presentation"
		case strings.HasPrefix(file.Name, "Index/") && strings.HasSuffix(file.Name, ".iwa"):
			what = "a Numbers or Pages document"
		}
	}
	if what == "" {
		return nil
	}
	advice := "save it as .xlsx or CSV UTF-8"
	if what == "a ZIP archive" {
		advice = "unpack it first"
	}
	return refused(what, advice)
}

func openDocument(file *zip.File) string {
	r, err := file.Open()
	if err != nil {
		return "a ZIP archive"
	}
	defer r.Close()
	text, err := io.ReadAll(io.LimitReader(r, 200))
	if err == nil && bytes.Contains(text, []byte("opendocument.spreadsheet")) {
		return "an OpenDocument spreadsheet (.ods)"
	}
	return "a document in a ZIP archive"
}

// format is the format of a text.
type format int

const (
	table format = iota
	jsonLines
	sitemap
)

var (
	xmlElement  = regexp.MustCompile(`<(?:[A-Za-z]+:)?([A-Za-z]+)[\s>/]`)
	jsonElement = regexp.MustCompile(`^\[\s*[\[{"\]]`)
	jsonEscapes = regexp.MustCompile(`^"[^"\r\n]*\\[^\r\n]*"\s*(?:[\r\n]|$)`)
)

// formatOf returns the format of a text from its beginning.
func formatOf(begin []byte) (format, error) {
	text := bytes.TrimLeft(bytes.TrimPrefix(begin, mark8), " \t\r\n")
	lower := bytes.ToLower(text[:min(len(text), 64)])
	switch {
	case len(text) == 0:
		return table, nil
	case bytes.HasPrefix(lower, []byte("<!doctype html")), bytes.HasPrefix(lower, []byte("<html")):
		return table, refused("a web page (HTML)", "")
	case bytes.HasPrefix(lower, []byte("<?xml")), bytes.HasPrefix(lower, []byte("<urlset")), bytes.HasPrefix(lower, []byte("<sitemapindex")), bytes.HasPrefix(lower, []byte("<!--")):
		element := xmlElement.FindSubmatch(text)
		if element == nil {
			return sitemap, nil
		}
		switch name := strings.ToLower(string(element[1])); name {
		case "urlset", "sitemapindex":
			return sitemap, nil
		case "html":
			return table, refused("a web page (HTML)", "")
		case "rss", "feed", "rdf":
			return table, refused("a feed (RSS or Atom)", "")
		default:
			return table, refused(fmt.Sprintf("XML with the element %q", name), "of XML, only sitemaps are read")
		}
	case text[0] == '{', jsonEscapes.Match(text):
		return jsonLines, nil
	case jsonElement.Match(text):
		return table, refused("a JSON array", "want one object or URL in each line (jq -c '.[]' FILE)")
	}
	return table, nil
}
