// Package compare finds out how two batches of the same list differ.
//
// [Run] reads each batch once and keeps about 50 bytes per row: a hash of what
// identifies the row, and hashes of its outcome. It returns a [Report], whose
// [Report.Changes] reads the rows that differ again, in the order of how much they
// changed. Four functions write a report:
//
//	WriteText  counts and the first changes, for a terminal
//	WriteJSON  one object with all changes
//	WriteCSV   a row for each change
//	WriteHTML  pages that show the pictures side by side
package compare
