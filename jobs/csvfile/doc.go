// Package csvfile converts the rows of a file into requests.
//
// It supports two kinds of file. Both must be UTF-8; package input converts other
// encodings. Lines end with LF, CR LF or CR. Byte order marks at the beginning of
// lines are skipped.
//
// A table has a header line with a column url or urls, or with another name of a
// URL column that has URLs below it, such as link, address or page. If the header
// has no such name, the only column is used in which nearly all of the first rows
// have URLs, also if there is no header. [Options].URLColumn decides by force. The
// columns are separated by comma, semicolon, tab or |. The separator is the first
// of these for which the header has a URL column, or the one that a first line
// such as sep=; names. Up to ten lines above the header are skipped. The other
// columns are:
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
// [Reader.Notes] says which lines were skipped, which column has the URLs if its
// name is not url, which columns with the name of a parameter are sent, and which
// names are probably misspelt. A file without such columns is read once,
// any other file twice.
//
// A list has no header: every line is exactly one URL. A file is a list if its
// first line looks like a URL and if it is not a table.
//
// In both kinds, an empty cell means that there is no value, and empty lines are
// skipped. Lines that begin with # are comments above the header of a table, if
// they do not have the form of a header, and everywhere in a list. A cell in
// double quotes can contain separators, line breaks and doubled quotes. Spaces
// around the quotes are dropped. If a cell does not begin with a quote, quotes
// inside it are ordinary characters. Empty cells at the end of a row that have no
// column are dropped, and so are rows that repeat the header.
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
