package jobs

import "strings"

// FoldName returns a form of a file name that is equal for two names if a file
// system that ignores case takes them for the same. The name must be in Unicode
// NFC, as those of package artifact are.
func FoldName(name string) string {
	return strings.ToLower(strings.ToUpper(name)) // ToUpper first, because several letters have the same upper case
}
