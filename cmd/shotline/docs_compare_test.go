package main

import (
	"testing"

	"shotline/jobs/compare"
)

// TestCompareTable checks the table of kinds of changes.
func TestCompareTable(t *testing.T) {
	var kinds []string
	for _, kind := range compare.Kinds {
		kinds = append(kinds, string(kind))
	}
	wantNames(t, docTable(t, "cmd/shotline/README.md", "### Compare", "kind"), kinds)
}
