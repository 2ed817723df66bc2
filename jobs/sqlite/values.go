package sqlite

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"math"
	"time"
)

// maxRow is the highest row of a batch. See the table jobs for the layout of a
// place.
const maxRow = math.MaxUint32

// maxSeq is higher than every place.
const maxSeq = math.MaxInt64

func rowSeq(batchSeq, row int64) int64 { return batchSeq<<32 | row }

func splitSeq(seq int64) (batchSeq, row int64) { return seq >> 32, seq & maxRow }

// jsonOf encodes ids for json_each. Ids contain no characters that JSON escapes.
func jsonOf(ids []string) string {
	text, _ := json.Marshal(ids) // encoding strings cannot fail
	return string(text)
}

// millis returns a time as it is stored. The zero time is stored as NULL.
func millis(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMilli()
}

func fromMillis(ms sql.NullInt64) time.Time {
	if !ms.Valid {
		return time.Time{}
	}
	return time.UnixMilli(ms.Int64).UTC()
}

// micros returns a cost as it is stored. An unknown cost is stored as NULL.
func micros(credits *float64) any {
	if credits == nil {
		return nil
	}
	return int64(math.Round(*credits * 1e6))
}

func fromMicros(n sql.NullInt64) *float64 {
	if !n.Valid {
		return nil
	}
	credits := float64(n.Int64) / 1e6
	return &credits
}

// canonicalJSON encodes maps in key order and without HTML escapes, so that equal
// values have equal texts. It returns NULL for an empty collection.
func canonicalJSON(value any, length int) (any, error) {
	if length == 0 {
		return nil, nil
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		return nil, err
	}
	return string(bytes.TrimSuffix(out.Bytes(), []byte("\n"))), nil
}

func fromJSON(text sql.NullString, dest any) error {
	if !text.Valid {
		return nil
	}
	if err := json.Unmarshal([]byte(text.String), dest); err != nil {
		return fmt.Errorf("read JSON column: %w", err)
	}
	return nil
}
