package resultcolumn

import (
	"slices"
	"strings"
)

// Found are the added columns in the header of a results file.
type Found struct {
	Added map[int]bool // indexes of the added columns, url not included
	URL   int          // index of the added column url; -1 if there is none
	Job   int          // index of the column job_id; -1 if there is none
}

// Find returns the added columns of a header. It returns false if the header does
// not have all columns that a version of the program added. So a user's own column
// that merely has the name state stays the user's.
//
// The columns can have moved, and other columns can have come between them. If a
// name occurs more than once, Find prefers the columns that stand together in the
// original order.
func Find(header []string) (Found, bool) {
	for _, version := range versions {
		if at := together(header, version); at != nil {
			return describe(header, version, at), true
		}
	}
	for _, version := range versions {
		if at := anywhere(header, version); at != nil {
			return describe(header, version, at), true
		}
	}
	return Found{}, false
}

// together returns the indexes of the columns of a version if they follow each
// other in the order and with the names that appendNames would give them.
func together(header, version []string) []int {
	for start := range header {
		end := start + len(version)
		endsWith := func(cell, name string) bool { return strings.HasSuffix(strings.TrimSpace(cell), name) }
		if end > len(header) || !slices.EqualFunc(header[start:end], version, endsWith) {
			continue
		}
		same := func(a, b string) bool { return strings.TrimSpace(a) == strings.TrimSpace(b) }
		if slices.EqualFunc(appendNames(slices.Clone(header[:start]), version)[start:], header[start:end], same) {
			at := make([]int, len(version))
			for i := range at {
				at[i] = start + i
			}
			return at
		}
	}
	return nil
}

// anywhere returns the indexes of the columns of a version, wherever they are. An
// added column has as many prefixes as it needed to differ from the others, so it
// is the one with the most prefixes.
func anywhere(header, version []string) []int {
	at := make([]int, len(version))
	for i, name := range version {
		at[i] = -1
		for ; ; name = prefix + name {
			index := lastIndex(header, name)
			if index < 0 {
				break
			}
			if strings.TrimSpace(header[index]) == name {
				at[i] = index
			} else {
				at[i] = -1 // a name of the user's, such as State
			}
		}
		if at[i] < 0 {
			return nil
		}
	}
	return at
}

func lastIndex(header []string, name string) int {
	for i, cell := range slices.Backward(header) {
		if equal(cell, name) {
			return i
		}
	}
	return -1
}

// describe returns the columns at the given indexes, which are in the order of the
// version.
func describe(header, version []string, at []int) Found {
	found := Found{Added: make(map[int]bool, len(at)), URL: -1, Job: -1}
	for _, i := range at {
		found.Added[i] = true
	}
	job, row := slices.Index(version, Job), slices.Index(version, "row")
	if job < 0 {
		return found
	}
	found.Job = at[job]
	if at[row] > at[job] {
		return found
	}
	// The added column url is in front of the others; if columns were moved, it is
	// the last one of this name.
	if before := at[0] - 1; before >= 0 && strings.TrimSpace(header[before]) == URL {
		found.URL = before
	} else if i := lastIndex(header, URL); i >= 0 && strings.TrimSpace(header[i]) == URL {
		found.URL = i
	}
	return found
}
