// Package resultcolumn names the columns that the results file adds to those of
// the input, and recognizes them when a results file is the input of another
// batch.
//
// [Header] and [Find] belong together: Find recognizes everything that Header
// returns, and what earlier versions of the program wrote.
package resultcolumn
