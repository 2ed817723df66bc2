// Package csvfile turns the rows of a file into requests.
//
// Two kinds of file are read, both as UTF-8, a byte order mark or not:
//
// A table has a header line with a column url (or urls, or link). Its columns
// are separated by comma, semicolon or tab, whichever makes the header name
// that column. The other columns mean:
//
//	width, format, hide_ads …   a create parameter that the vendor documents
//	param:NAME, param.NAME      any other create parameter
//	tag, tags                   tags, several separated by | or comma
//	everything else             metadata, carried along untouched
//
// A list has no header: every line is one URL and nothing else, commas in it
// included. That its first line looks like a URL makes a file a list.
//
// Common to both: an empty cell means not given; empty lines and lines that
// begin with # are skipped; a cell in double quotes may hold separators, line
// breaks and doubled quotes; a quote inside of a cell that does not begin with
// one is just a character.
//
// One bad row does not spoil a file. It becomes a request whose Reject tells
// why, and reading goes on: after a quote that is never closed, with the next
// line. What makes a whole file useless (no URL column, a column that must not
// be there, no row at all) is an error of [Open].
//
// Memory is bounded by the longest row allowed, whatever the file's size. That
// bound and the going on are why the records are not read by encoding/csv.
package csvfile
