package summary

import (
	"html/template"
	"time"
)

// The functions in this file are for other web pages and tables of the program.

// PageStyle is the style sheet of the contact sheet, on which others can build.
func PageStyle() string { return sheetStyle }

// StyleSource returns the source of a style or script for a Content-Security-Policy.
func StyleSource(content string) string { return hashSource(content) }

// ImageAddress returns the address of an image if it is safe in a page, otherwise
// "".
func ImageAddress(link string) template.URL { return imageURL(link) }

// PageAddress returns the address of a web page without its user and password, and
// false if it is not one.
func PageAddress(text string) (string, bool) {
	u, ok := webAddress(text)
	if !ok {
		return "", false
	}
	u.User = nil
	return u.String(), true
}

// Moment formats a time for people.
func Moment(t time.Time) string { return moment(t) }

// EscapeFormula adds an apostrophe before text from outside that a spreadsheet
// would interpret as a formula.
func EscapeFormula(text string) string { return escapeFormula(text) }
