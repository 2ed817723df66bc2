// Package parameter is the one table of the create parameters of
// /screenshot/create. Input files, the command line, the HTTP API, the sandbox
// and the docs read it.
//
// The vendor accepts parameters that the table does not contain. They pass
// through unchanged. If the name of one resembles a known name, [Nearest] returns
// that name, so that a message can point out the probable mistake.
//
// Two checks exist for a value:
//
//   - [Parse] and [Check] convert a value that somebody gave for a parameter to
//     the type of the parameter. They return an error only if the value cannot
//     have that type.
//   - [Parameter.Plausible] is stricter. It decides whether a column that has
//     the name of a parameter contains its values: a column Width with the value
//     "60 cm" is not about screenshots.
package parameter
