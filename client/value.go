package client

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// The functions in this file read one JSON value in any of the forms in the
// vendor's documents and SDKs. They report whether they could.

const maxID = 256 // bytes; longer ids are invalid

func isNull(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

// text returns a string, or the JSON text of another scalar. It returns "" for
// lists, objects, null and a missing value.
func text(raw json.RawMessage) string {
	if isNull(raw) || raw[0] == '{' || raw[0] == '[' {
		return ""
	}
	// Most strings contain no escapes.
	if plain := bytes.Trim(raw, `"`); len(plain) == len(raw)-2 && !bytes.ContainsRune(plain, '\\') && utf8.Valid(plain) {
		return string(plain)
	}
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(raw)
}

// texts returns a list of scalars, or a single scalar as a list. An empty list or
// an empty string gives an empty list. Any other value gives nil.
func texts(raw json.RawMessage) []string {
	if isNull(raw) || raw[0] == '{' {
		return nil
	}
	if raw[0] != '[' {
		if s := text(raw); s != "" {
			return []string{s}
		}
		return []string{}
	}
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		return nil
	}
	result := make([]string, 0, len(list))
	for _, element := range list {
		values, ok := scalar(element, nil)
		if !ok {
			return nil
		}
		result = append(result, values...)
	}
	return result
}

// idText returns an id, which is a positive integer or a string, as text. It
// returns "" if raw is not a valid id.
func idText(raw json.RawMessage) string {
	id := strings.TrimSpace(text(raw))
	switch {
	case id == "" || len(id) > maxID || strings.Trim(id, "0") == "":
		return ""
	case raw[0] != '"' && strings.Trim(id, "0123456789") != "":
		return ""
	}
	return id
}

func readText[T ~string](raw json.RawMessage) (T, bool) {
	if raw[0] == '{' || raw[0] == '[' {
		return "", false
	}
	return T(text(raw)), true
}

// readReason reads the error of a screenshot. Some responses use false for "no
// error".
func readReason(raw json.RawMessage) (string, bool) {
	if string(raw) == "false" {
		return "", true
	}
	return readText[string](raw)
}

func readAmount(raw json.RawMessage) (*float64, bool) {
	n, err := strconv.ParseFloat(text(raw), 64)
	if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
		return nil, false
	}
	return &n, true
}

func readInt(raw json.RawMessage) (int, bool) {
	n, err := strconv.Atoi(text(raw))
	return n, err == nil
}

func readBool(raw json.RawMessage) (bool, bool) {
	b, err := strconv.ParseBool(text(raw))
	return b, err == nil
}

var timeLayouts = []string{
	time.RFC3339Nano,
	"2006-01-02T15:04:05",
	"2006-01-02T15:04:05Z0700",
	"2006-01-02 15:04:05",
	"2006-01-02 15:04:05Z07:00",
	"2006-01-02 15:04:05 Z07:00",
	"2006-01-02 15:04:05 Z0700",
	"2006-01-02 15:04:05 UTC", // other abbreviations are ambiguous
}

// readTime reads a date and time, or a Unix time. A time without a zone is UTC. A
// Unix time is in seconds; if it is too large to be a realistic date in seconds,
// it is in milliseconds.
func readTime(raw json.RawMessage) (time.Time, bool) {
	s := text(raw)
	if s == "" {
		return time.Time{}, string(raw) == `""`
	}
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), true
		}
	}
	n, err := strconv.ParseFloat(s, 64)
	const firstMillis, lastMillis = 1e11, 1e14
	switch {
	case err != nil || !(n > 0 && n < lastMillis):
		return time.Time{}, false
	case n < firstMillis:
		n *= 1000
	}
	return time.UnixMilli(int64(n)).UTC(), true
}
