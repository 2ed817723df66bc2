// Package testdata holds what tests read, and the rows of the demo, which the
// binary carries with it.
package testdata

import _ "embed" // the demo's rows

// DemoCSV is csv/demo.csv.
//
//go:embed csv/demo.csv
var DemoCSV []byte
