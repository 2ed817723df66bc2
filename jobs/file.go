package jobs

import "time"

// Output is a kind of output of a screenshot.
type Output string

// The outputs of a screenshot. A screenshot always has an image, and the others
// if the create requested them.
const (
	OutputImage Output = "image"
	OutputHTML  Output = "html"
	OutputPDF   Output = "pdf"
	OutputVideo Output = "video"
)

// Outputs lists every output in the order in which they are fetched.
var Outputs = []Output{OutputImage, OutputHTML, OutputPDF, OutputVideo}

// FileState is the state of a file.
type FileState string

// The states of a file.
const (
	FileWanted FileState = "wanted" // to be fetched
	FileSaved  FileState = "saved"
	FileGone   FileState = "gone"   // the vendor no longer has it
	FileFailed FileState = "failed" // could not be fetched or saved
)

// File is one output of a job as a file on disk.
type File struct {
	Job        ID
	Output     Output
	Shot       int    // 1 for the first image, and 1 more for each further one; 1 for other outputs
	Attempt    int    // whose result it is
	Screenshot string // id at the vendor
	Folder     string // absolute, of the order; empty if the store has no record of the file
	Name       string // slash-separated, relative to the folder; empty until it is assigned
	State      FileState
	Size       int64  // bytes, once saved
	Type       string // media type, once saved
	Error      string // of the last try
	Tries      int
	WakeAt     time.Time // when the next try is due
	SavedAt    time.Time // zero if the file existed before and was kept
	Old        OldFile   // what it replaces; zero if that is nothing
}

// OldFile is an earlier version of a file, which was saved for an earlier
// screenshot of the job. It is removed when the next version is saved, unless
// somebody has changed it.
type OldFile struct {
	Name    string // in the same folder
	Size    int64
	SavedAt time.Time
}

// DownloadOrder says where and how the files of a batch are kept. There is at
// most one per batch. The order of the batch "" applies to all batches that have
// none of their own.
type DownloadOrder struct {
	Batch   string
	Folder  string   // absolute
	Name    string   // template, see package artifact
	Outputs []Output // empty: all that the job requested
	At      time.Time
}
