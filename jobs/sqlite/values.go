package sqlite

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"math"
	"time"
)

// maxRow is the highest row of a batch: see the jobs table for the layout.
const maxRow = math.MaxUint32

// maxSeq is behind every place.
const maxSeq = math.MaxInt64

func rowSeq(batchSeq, row int64) int64 { return batchSeq<<32 | row }

func splitSeq(seq int64) (batchSeq, row int64) { return seq >> 32, seq & maxRow }

// jsonOf is ids as json_each reads them. Ids have a form that JSON holds as it is.
func jsonOf(ids []string) string {
	text, _ := json.Marshal(ids) // strings can always be written
	return string(text)
}

// millis is how times are kept; the zero time is NULL.
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

// micros is how costs are kept; not known is NULL.
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

// canonicalJSON writes maps in key order and without HTML escapes, so that
// equal values are equal texts. An empty collection is NULL.
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
