package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// problem returns the problem document of an error, with the location of the
// field and the line. To count lines, it reads the same body again.
func (r *rowReader) problem(err error, again io.Reader) error {
	status, offset := http.StatusUnprocessableEntity, r.tokens.InputOffset()
	if r.valueEnd > 0 {
		offset = r.valueEnd
	}
	var syntax *json.SyntaxError
	location, text := r.field, strings.TrimPrefix(err.Error(), "json: ")
	if suffix, reason := explainJSON(err); reason != "" {
		location, text = location+suffix, reason
	}
	switch {
	case errors.As(err, &syntax):
		status, offset = http.StatusBadRequest, syntax.Offset
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		status, text = http.StatusBadRequest, "the JSON ends too early"
	}
	line := 1
	if counted, countErr := countLines(again, offset); countErr == nil {
		line = counted
	}
	message := fmt.Sprintf("line %d: %s: %s", line, location, text)
	return problem(status, message, &huma.ErrorDetail{Location: location, Message: message})
}

// countLines returns the line number of an offset. Lines count from 1.
func countLines(r io.Reader, offset int64) (int, error) {
	line := 1
	buffer := make([]byte, 64<<10)
	limited := io.LimitReader(r, offset)
	for {
		n, err := limited.Read(buffer)
		line += bytes.Count(buffer[:n], []byte{'\n'})
		if errors.Is(err, io.EOF) {
			return line, nil
		}
		if err != nil {
			return line, err
		}
	}
}
