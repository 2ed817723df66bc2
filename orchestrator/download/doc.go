// Package download fetches the outputs of jobs from the vendor and saves them as
// files.
//
// [Run] takes works, one for each file, and fetches several at once, with a limit
// of the rate. It gives each file a name that no other has, repeats calls that
// fail for a moment, and records the ends of files in groups. A [Ledger] is the
// record: [ManifestLedger] keeps it beside the files. [Source] finds the works of
// batches and jobs, and omits the files that are already saved.
//
// A [Worker] fetches the files of batches whose download is ordered in a store,
// while run or serve works. Its record is the store.
//
// A file is complete or does not exist, whatever happens. After a crash between
// the two steps of saving and recording, the file is fetched again, and gets the
// same name.
package download
