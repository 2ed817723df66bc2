// Package summary tells what became of a batch.
//
// [Compute] reads a batch once and makes a [Summary]: counts, provenance,
// timings, cost and the reasons of failures. The store keeps it as the bytes
// of [Summary.Encode]; [Decode] reads them back. Four writers show it:
//
//	WriteText  aligned lines for a terminal
//	WriteJSON  one object on one line
//	WriteCSV   metric,value rows
//	WriteHTML  the contact sheet: a web page with the pictures
//
// Beside it stands [WriteResults], the table of the rows themselves: the input
// with what became of each row. It reads pages, so its memory does not grow
// with the batch; neither does that of the contact sheet.
package summary
