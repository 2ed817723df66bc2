package artifact

import "bytes"

// endings are the last bytes of complete files by media type. Programs add some
// bytes after them, so they can be anywhere in the last bytes.
var endings = map[string][]byte{
	"image/png":       []byte("IEND\xaeB`\x82"),
	"image/jpeg":      {0xff, 0xd9},
	"image/gif":       {';'},
	"application/pdf": []byte("%%EOF"),
}

// endSize is how many of the last bytes are searched for the end.
const endSize = 1024

// ending checks the end of a file that is written in several parts.
type ending struct {
	want []byte // nil: every end is complete
	last []byte
}

func (e *ending) add(data []byte) {
	if e.want == nil {
		return
	}
	if len(data) > endSize {
		data, e.last = data[len(data)-endSize:], e.last[:0]
	}
	e.last = append(e.last, data...)
	if len(e.last) > endSize {
		e.last = append(e.last[:0], e.last[len(e.last)-endSize:]...)
	}
}

func (e *ending) complete() bool { return bytes.Contains(e.last, e.want) }
