// Package csvfile converts the rows of a file into requests.
//
// It supports two kinds of file. Both must be UTF-8, with or without a byte order
// mark.
//
// A table has a header line with a column url (or urls, or link). The columns are
// separated by comma, semicolon or tab. The separator is the first of these for
// which the header has such a column. The other columns are:
//
//	width, format, hide_ads …   a known create parameter, if all values of the column
//	                            make sense for it
//	param:NAME, param.NAME      this create parameter
//	meta:NAME, meta.NAME        metadata
//	job:timeout, job:priority, job:callback_url
//	                            an option of the row
//	tag, tags                   tags, several separated by | or comma
//	everything else             metadata, not interpreted
//
// [Reader.Notes] says which columns with the name of a parameter are sent, and
// which names are probably misspelt. A file without such columns is read once,
// any other file twice.
//
// A list has no header: every line is exactly one URL, which can contain commas.
// A file is a list if its first line looks like a URL.
//
// In both kinds, an empty cell means that there is no value. Empty lines and
// lines that begin with # are skipped. A cell in double quotes can contain
// separators, line breaks and doubled quotes. If a cell does not begin with a
// quote, quotes inside it are ordinary characters.
//
// A bad row does not make the file unusable. It becomes a request whose Reject
// contains the reason, and reading continues with the next row. If a quote is
// never closed, it continues with the next line. If the whole file is unusable
// (no URL column, a forbidden column, no rows), [Open] returns an error.
//
// Memory is limited by the maximum length of a row, regardless of the size of the
// file. The package does not use encoding/csv because that cannot limit the
// length of a row or continue after an error.
package csvfile
