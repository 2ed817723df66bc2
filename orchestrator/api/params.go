package api

import (
	"fmt"
	"maps"
	"slices"

	"shotline/client/parameter"
	"shotline/jobs"
)

// maxNotes is the maximum number of notes in a response.
const maxNotes = 100

// paramNotes returns notes on names that resemble a create parameter. Field is
// the name of the field that contains them.
func paramNotes(field string, params jobs.Params) (notes []string) {
	for _, name := range slices.Sorted(maps.Keys(params)) {
		if advice := parameter.Advice(name); advice != "" && len(notes) < maxNotes {
			separator := "."
			if field == "param" { // param=NAME=VALUE in a query or a form
				separator = " "
			}
			notes = append(notes, fmt.Sprintf("%s%s%s: %s", field, separator, shortened(name), advice))
		}
	}
	return notes
}
