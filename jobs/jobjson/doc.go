// Package jobjson defines the JSON form of jobs, batches, callbacks and messages.
// The HTTP API, callbacks, the event stream and the --json output of
// commands use it. Times are RFC 3339. If a value is unknown, its field is
// absent.
//
// The types of package jobs have no JSON form of their own: encode the values
// that the From functions return. The doc, enum and example tags describe the
// fields in the contract of the HTTP API, where each schema has the name of
// its type.
package jobjson
