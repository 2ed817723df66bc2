package main

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// batch is the state of a batch, as the API and the commands print it.
type batch struct {
	ID       string `json:"batch_id"`
	State    string `json:"state"`
	Rows     int    `json:"rows"`
	Pending  int    `json:"pending"`
	Done     int    `json:"done"`
	Failed   int    `json:"failed"`
	TimedOut int    `json:"timed_out"`
}

// batch queries the state of a batch.
func (s *serve) batch(id string) (b batch, err error) {
	text, err := s.get("/v1/batches/" + id)
	if err == nil {
		err = json.Unmarshal(text, &b)
	}
	return b, err
}

// submitRows creates a batch from a CSV with the given number of rows.
func (s *serve) submitRows(rows int) (b batch, err error) {
	var table bytes.Buffer
	table.WriteString("url,sku\n")
	for row := range rows {
		fmt.Fprintf(&table, "https://shop.test/products/%d?utm_source=bench,SKU-%08d\n", row+1, row+1)
	}
	if err := s.send("/v1/batches", "text/csv", table.Bytes(), &b); err != nil {
		return b, err
	}
	if b.Rows != rows {
		return b, fmt.Errorf("the batch has %d rows, want %d", b.Rows, rows)
	}
	return b, nil
}
