// Package input opens a file of any supported format and returns its rows as
// requests.
//
// The content decides the format, not the name of the file:
//
//   - a table or a list of URLs, see package csvfile
//   - JSON Lines: an object or a URL in each line
//   - a sitemap in XML, or an index of sitemaps whose parts are files beside it
//   - an Excel workbook (.xlsx); its first sheet is read as a table or a list
//
// Each of these can be compressed with gzip. Text is UTF-8, UTF-16 or
// Windows-1252. [Options].Encoding names any other encoding. Files of other
// formats, such as PDF, are refused with the name of the format.
//
// Several files become one batch. Their columns are matched by name.
//
// Memory is limited regardless of the size of the input, except that a workbook
// is read into memory, up to a limit. An input that cannot be read twice, such as
// a pipe, is copied to a temporary file if it is not small.
package input
