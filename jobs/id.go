package jobs

import (
	"fmt"
	"strconv"
	"strings"
)

// TagPrefix begins every tag that Shotline puts on a screenshot. User tags must
// not begin with it, because a lost create is found only by these tags.
const TagPrefix = "shotline-"

// ID identifies a job by its batch and its row in it, counted from 1. It is
// written BATCH-ROW, for example b7k2m9q4x1-17.
type ID struct {
	Batch string
	Row   int64
}

// String returns the written form.
func (id ID) String() string { return id.Batch + "-" + strconv.FormatInt(id.Row, 10) }

// IsZero reports whether id is the zero ID.
func (id ID) IsZero() bool { return id == ID{} }

// MarshalText writes the id as text, for JSON and logs.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText parses the text that MarshalText writes.
func (id *ID) UnmarshalText(text []byte) error {
	parsed, err := ParseID(string(text))
	if err == nil {
		*id = parsed
	}
	return err
}

// ParseID parses a job id.
func ParseID(s string) (ID, error) {
	batch, row, found := strings.Cut(s, "-")
	n, err := parseCount(row)
	if !found || !ValidBatchID(batch) || err != nil {
		return ID{}, fmt.Errorf("%w: %q is not a job id (want BATCH-ROW)", ErrInvalid, s)
	}
	return ID{Batch: batch, Row: n}, nil
}

// ValidBatchID reports whether s is a well-formed batch id: 1 to 20 characters of
// [a-z0-9].
func ValidBatchID(s string) bool {
	if s == "" || len(s) > 20 {
		return false
	}
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') {
			return false
		}
	}
	return true
}

// BatchTag returns the tag of all screenshots of a batch.
func BatchTag(batch string) string { return TagPrefix + batch }

// SubmissionTag returns the tag of one attempt of one job. No other screenshot in
// the account has it.
func SubmissionTag(id ID, attempt int) string {
	return BatchTag(id.Batch) + "-" + strconv.FormatInt(id.Row, 10) + "-" + strconv.Itoa(attempt)
}

// ParseSubmissionTag parses the tag of a submission into its job and attempt. For
// other tags, including a batch's, ok is false.
func ParseSubmissionTag(tag string) (id ID, attempt int, ok bool) {
	rest, found := strings.CutPrefix(tag, TagPrefix)
	if !found {
		return ID{}, 0, false
	}
	parts := strings.Split(rest, "-")
	if len(parts) != 3 || !ValidBatchID(parts[0]) {
		return ID{}, 0, false
	}
	row, err := parseCount(parts[1])
	if err != nil {
		return ID{}, 0, false
	}
	n, err := parseCount(parts[2])
	if err != nil || n > 1<<30 {
		return ID{}, 0, false
	}
	return ID{Batch: parts[0], Row: row}, int(n), true
}

// parseCount parses a positive decimal in its canonical form, so that two
// different texts never name the same thing.
func parseCount(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, err
	}
	if n < 1 || strconv.FormatInt(n, 10) != s {
		return 0, strconv.ErrSyntax
	}
	return n, nil
}
