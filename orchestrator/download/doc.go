// Package download fetches the outputs of jobs from the vendor and saves them as
// files.
//
// [Run] takes works, one for each file, and fetches several at once, with a limit
// of the rate. It gives each file a name that no other has, repeats calls that
// fail for a moment, and records the ends of files in groups. A [Ledger] is the
// record. [Source] finds the works of batches and jobs, and omits the files that
// are already saved.
//
// A [Worker] fetches the files of batches whose download is ordered in a store,
// while run or serve works. The store decides which files are due, and gives them
// their names. For the command download, that is the manifest of the folder, see
// [ManifestLedger]. Both record saved files in the manifest and in the store, so
// that each of them continues what the other has saved. A lock on the manifest lets
// one of them at a time write to the folder.
//
// A file is complete or does not exist, whatever happens. After a crash between
// the two steps of saving and recording, the file is fetched again, and gets the
// same name. If the next version of a file has another name, the earlier one is
// removed between these steps, unless somebody has changed it.
package download
