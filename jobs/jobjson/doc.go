// Package jobjson is how jobs, batches, callbacks and messages are written in
// JSON: by the HTTP interface, by callbacks and the event stream, and by the --json
// output of commands. Times are RFC 3339, and what is not known is absent.
//
// The types of package jobs know nothing of JSON: encode what the From functions
// make of them. The doc, enum and example tags describe the fields in the contract
// of the HTTP interface, in which a schema has the name of its type.
package jobjson
