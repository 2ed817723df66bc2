// Package testdata contains the files that tests read. It embeds the rows of the
// demo into the binary.
package testdata

import _ "embed" // for DemoCSV

// DemoCSV is csv/demo.csv.
//
//go:embed csv/demo.csv
var DemoCSV []byte
