package input

import (
	"archive/zip"
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// Limits of the parts of a workbook that are read, in bytes unpacked. Large
// worksheets and shared strings are in temporary files; the other parts are in
// memory, where they need many times their size.
const (
	maxUnpacked      = 1 << 30
	maxInMemory      = 16 << 20 // of a worksheet or shared strings; of all other parts together
	maxSharedStrings = 64 << 20
)

// unread are the beginnings of the names of parts that the cells of a sheet do not
// need.
var unread = []string{
	"customxml/", "docprops/", "xl/calcchain.xml", "xl/charts/", "xl/comments", "xl/drawings/", "xl/embeddings/",
	"xl/externallinks/", "xl/media/", "xl/pivotcache/", "xl/pivottables/", "xl/threadedcomments/",
}

// partName returns the name of a part as excelize compares it.
func partName(file *zip.File) string {
	return strings.ToLower(strings.ReplaceAll(file.Name, `\`, "/"))
}

// neededParts returns the parts of a workbook that are read.
func neededParts(archive *zip.Reader) []*zip.File {
	return slices.DeleteFunc(slices.Clone(archive.File), func(file *zip.File) bool {
		name := partName(file)
		return !strings.HasSuffix(name, ".xml") && !strings.HasSuffix(name, ".rels") ||
			slices.ContainsFunc(unread, func(begin string) bool { return strings.HasPrefix(name, begin) })
	})
}

// checkParts returns an error if parts are too large. It is ErrTooLarge if they
// are larger than maxSize, unless that is 0. A part has at most the size that the
// directory of the archive states, because package zip reads no more.
func checkParts(parts []*zip.File, maxSize int64) error {
	var size, inMemory uint64
	for _, part := range parts {
		if part.UncompressedSize64 > maxUnpacked {
			return partsTooLarge()
		}
		size += part.UncompressedSize64
		switch name := partName(part); {
		case maxSize > 0 && size > uint64(maxSize):
			return ErrTooLarge
		case size > maxUnpacked:
			return partsTooLarge()
		case strings.HasPrefix(name, "xl/worksheets/sheet"):
		case name == "xl/sharedstrings.xml":
			if part.UncompressedSize64 > maxSharedStrings {
				return fmt.Errorf("%w: the part %q of the workbook is larger than %d MiB unpacked; save it as CSV UTF-8", ErrFormat, part.Name, maxSharedStrings>>20)
			}
		default:
			if inMemory += part.UncompressedSize64; inMemory > maxInMemory {
				return fmt.Errorf("%w: with the part %q, the workbook has more than %d MiB unpacked besides its cells; save it as CSV UTF-8", ErrFormat, part.Name, maxInMemory>>20)
			}
		}
	}
	return nil
}

func partsTooLarge() error {
	return fmt.Errorf("%w: the workbook is larger than %d MiB unpacked; save it as CSV UTF-8", ErrFormat, maxUnpacked>>20)
}

// pack returns a workbook that has only the given parts.
func pack(parts []*zip.File) ([]byte, error) {
	var data bytes.Buffer
	w := zip.NewWriter(&data)
	for _, part := range parts {
		if err := w.Copy(part); err != nil {
			return nil, fmt.Errorf("%w: the workbook is damaged: part %q: %w", ErrFormat, part.Name, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return data.Bytes(), nil
}
