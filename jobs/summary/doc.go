// Package summary reports the results of a batch.
//
// [Compute] reads a batch once and returns a [Summary]: counts, provenance,
// timings, cost and the reasons of failures. The store keeps the bytes of
// [Summary.Encode]; [Decode] reads them. Four functions write a summary:
//
//	WriteText  aligned lines for a terminal
//	WriteJSON  one object on one line
//	WriteCSV   metric,value rows
//	WriteHTML  the contact sheet: a web page with all rows and their images
//
// [Results] writes the table of the rows: the input with the result of each row.
// It reads the rows in pages, so its memory use does not depend on the size of the
// batch. The same is true for the contact sheet.
package summary
