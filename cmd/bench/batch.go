package main

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// batch is what becomes of the rows of one.
type batch struct {
	ID       string `json:"batch_id"`
	State    string `json:"state"`
	Rows     int    `json:"rows"`
	Pending  int    `json:"pending"`
	Done     int    `json:"done"`
	Failed   int    `json:"failed"`
	TimedOut int    `json:"timed_out"`
}

// batch asks how far one is.
func (s *serve) batch(id string) (b batch, err error) {
	text, err := s.get("/v1/batches/" + id)
	if err == nil {
		err = json.Unmarshal(text, &b)
	}
	return b, err
}

// submitRows makes a batch of a CSV with so many rows.
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
		return b, fmt.Errorf("a batch of %d rows has %d", rows, b.Rows)
	}
	return b, nil
}
