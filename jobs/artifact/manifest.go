package artifact

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"hash/maphash"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"shotline/jobs"
)

// Names of the files of a manifest.
const (
	ManifestName      = "manifest.jsonl"
	ManifestTableName = "manifest.csv"
)

// Entry is a line of a manifest. It describes a file.
type Entry struct {
	Job        jobs.ID        `json:"job"`
	Row        int64          `json:"row"`
	Line       int            `json:"line,omitempty"` // of the input
	URL        string         `json:"url"`
	Output     jobs.Output    `json:"output"`
	Shot       int            `json:"shot"`
	File       string         `json:"file,omitempty"` // slash-separated, relative to the manifest; empty unless it is saved
	Bytes      int64          `json:"bytes,omitempty"`
	Type       string         `json:"type,omitempty"`
	Screenshot string         `json:"screenshot"`
	Attempt    int            `json:"attempt"`
	State      jobs.FileState `json:"state"`
	Kept       bool           `json:"kept,omitempty"` // the file existed and was not fetched
	Error      string         `json:"error,omitempty"`
	SavedAt    time.Time      `json:"saved_at,omitzero"`
}

// NewEntry returns the entry of a file of a job.
func NewEntry(j jobs.Job, f jobs.File) Entry {
	e := Entry{
		Job: f.Job, Row: f.Job.Row, Line: j.Line, URL: j.URL, Output: f.Output, Shot: f.Shot,
		Screenshot: f.Screenshot, Attempt: f.Attempt, State: f.State, Error: f.Error,
	}
	if f.State == jobs.FileSaved {
		e.File, e.Bytes, e.Type, e.SavedAt = f.Name, f.Size, f.Type, f.SavedAt
	}
	return e
}

// Manifest is the durable record of the files of a folder: manifest.jsonl with one
// [Entry] a line. Entries are appended while files are saved; of several for one
// file, the last is valid. Only one process can have a manifest open. Its methods
// are safe for concurrent use.
//
// Once it has been read, it takes about 50 bytes of memory per file.
type Manifest struct {
	folder *Folder
	file   *os.File
	seed   maphash.Seed
	left   fs.FileInfo // of the file when it was closed last; nil if that is not known

	mu      sync.Mutex
	size    int64             // of the file
	read    bool              // the fields below are those of the file
	batches map[string]int    // numbers of the batches, for keys
	offsets map[uint64]int64  // of the newest entry by key
	names   map[uint64]uint64 // keys by the hash of the folded name
	claims  map[uint64]uint64 // hashes of claimed names that have no entry yet, by key
}

// key identifies a file of a job. Keys sort by batch, row, output and shot.
func (m *Manifest) key(id jobs.ID, output jobs.Output, shot int) uint64 {
	batch, known := m.batches[id.Batch]
	if !known {
		batch = len(m.batches)
		m.batches[id.Batch] = batch
	}
	return uint64(batch)<<44 | uint64(id.Row&(1<<32-1))<<12 | uint64(max(slices.Index(jobs.Outputs, output), 0))<<10 | uint64(shot&(1<<10-1))
}

func (m *Manifest) index(e Entry, offset int64) {
	key := m.key(e.Job, e.Output, e.Shot)
	m.offsets[key] = offset
	delete(m.claims, key)
	if e.File != "" {
		m.names[m.hash(e.File)] = key
	}
}

func (m *Manifest) hash(name string) uint64 { return maphash.String(m.seed, jobs.FoldName(name)) }

// Entry returns the entry of a file. The result found is false if there is none.
func (m *Manifest) Entry(id jobs.ID, output jobs.Output, shot int) (e Entry, found bool, err error) {
	m.mu.Lock()
	err = m.readOnce()
	offset, found := m.offsets[m.key(id, output, shot)]
	m.mu.Unlock()
	if err != nil || !found {
		return e, false, err
	}
	line, err := bufio.NewReaderSize(io.NewSectionReader(m.file, offset, maxEntry), 1<<10).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &e)
	}
	if err != nil {
		return e, false, &DiskError{"read", ManifestName, err}
	}
	return e, true, nil
}

// Claim reserves a name for a file. It returns false if another file has the name,
// ignoring case. The claim becomes durable with the file's entry. Until then,
// another claim for the file replaces it.
func (m *Manifest) Claim(name string, f jobs.File) (claimed bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.readOnce(); err != nil {
		return false, err
	}
	key, hash := m.key(f.Job, f.Output, f.Shot), m.hash(name)
	owner, taken := m.names[hash]
	if taken && owner != key {
		return false, nil
	}
	if earlier, claimed := m.claims[key]; claimed && earlier != hash {
		delete(m.names, earlier)
		delete(m.claims, key)
	}
	if !taken {
		m.names[hash], m.claims[key] = key, hash
	}
	return true, nil
}

// Append adds entries in one durable step. Their files must have been saved, and
// the folder synced.
func (m *Manifest) Append(entries []Entry) error {
	var lines bytes.Buffer
	ends := make([]int, len(entries))
	out := newEncoder(&lines)
	for i, e := range entries {
		if err := out.Encode(e); err != nil {
			return err
		}
		ends[i] = lines.Len()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	_, err := m.file.WriteAt(lines.Bytes(), m.size)
	if err == nil {
		err = m.file.Sync()
	}
	if err != nil {
		return &DiskError{"write", ManifestName, errors.Join(err, m.file.Truncate(m.size))}
	}
	begin := 0
	for i, e := range entries {
		if m.read {
			m.index(e, m.size+int64(begin))
		}
		begin = ends[i]
	}
	m.size += int64(lines.Len())
	return nil
}

func newEncoder(w io.Writer) *json.Encoder {
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false) // URLs stay readable
	return out
}

// Entries calls each with the newest entry of every file, sorted by batch, row,
// output and shot.
func (m *Manifest) Entries(each func(Entry) error) error {
	m.mu.Lock()
	if err := m.readOnce(); err != nil {
		m.mu.Unlock()
		return err
	}
	keys := slices.Sorted(maps.Keys(m.offsets))
	names := make([]string, len(m.batches))
	for name, number := range m.batches {
		names[number] = name
	}
	m.mu.Unlock()
	for _, key := range keys {
		id := jobs.ID{Batch: names[key>>44], Row: int64(key >> 12 & (1<<32 - 1))}
		e, _, err := m.Entry(id, jobs.Outputs[key>>10&3], int(key&(1<<10-1)))
		if err == nil {
			err = each(e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Finish writes the manifest again, sorted and with one entry per file, and beside
// it manifest.csv with the same entries. The manifest can then only be closed.
func (m *Manifest) Finish() error {
	err := m.folder.Replace(ManifestName, func(w io.Writer) error {
		buffered := bufio.NewWriter(w)
		out := newEncoder(buffered)
		return errors.Join(m.Entries(func(e Entry) error { return out.Encode(e) }), buffered.Flush())
	})
	if err != nil {
		return err
	}
	return m.folder.Replace(ManifestTableName, m.writeTable)
}

// Close releases the manifest for other processes.
func (m *Manifest) Close() error {
	m.left, _ = m.file.Stat() // without it, the file is read again
	return m.file.Close()
}
