package artifact

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"shotline/jobs"
)

// ErrLocked means that another process writes to the folder.
var ErrLocked = errors.New("another download is writing to this folder: wait for its end, or use another folder")

// maxEntry is the largest length of a line, in bytes.
const maxEntry = 1 << 20

// OpenManifest opens and reads the manifest of a folder, and creates it if there is
// none. It returns ErrLocked if another process has it open.
func OpenManifest(folder *Folder) (*Manifest, error) {
	m, err := ExtendManifest(folder)
	if err == nil {
		if err = m.readOnce(); err != nil {
			return nil, errors.Join(err, m.Close())
		}
	}
	return m, err
}

// ExtendManifest is like OpenManifest, but it reads the manifest only when that is
// necessary, which it is not for Append. So it takes no longer for a large
// manifest.
func ExtendManifest(folder *Folder) (*Manifest, error) {
	m := &Manifest{folder: folder, seed: maphash.MakeSeed()}
	if err := m.Reopen(); err != nil {
		return nil, err
	}
	return m, nil
}

// Reopen opens a manifest again that was closed. What was read is not read again if
// the file is as Close left it. Claims without an entry have ended. After an error,
// the manifest is still closed.
func (m *Manifest) Reopen() error {
	info, err := m.open()
	if err != nil {
		return err
	}
	if left := m.left; left == nil || !os.SameFile(left, info) || left.Size() != info.Size() || !left.ModTime().Equal(info.ModTime()) {
		m.read = false
		m.batches, m.offsets, m.names = map[string]int{}, map[uint64]int64{}, map[uint64]uint64{}
	} else {
		for _, hash := range m.claims {
			delete(m.names, hash)
		}
	}
	m.claims = map[uint64]uint64{}
	if err := m.repair(); err != nil {
		return errors.Join(fmt.Errorf("%s: %w", ManifestName, err), m.file.Close())
	}
	return nil
}

// open opens and locks the file. The process that had it before might have
// replaced it in the meantime.
func (m *Manifest) open() (fs.FileInfo, error) {
	for {
		file, err := m.folder.root.OpenFile(ManifestName, os.O_CREATE|os.O_RDWR, m.folder.mode)
		if err != nil {
			return nil, &DiskError{"open", ManifestName, err}
		}
		if err := lockManifest(file); err != nil {
			return nil, errors.Join(err, file.Close())
		}
		locked, err := file.Stat()
		if err != nil {
			return nil, errors.Join(&DiskError{"open", ManifestName, err}, file.Close())
		}
		present, err := m.folder.root.Stat(ManifestName)
		if err == nil && os.SameFile(locked, present) {
			m.file, m.size = file, locked.Size()
			return locked, nil
		}
		if err := file.Close(); err != nil {
			return nil, &DiskError{"open", ManifestName, err}
		}
	}
}

// entryStart begins each line of a manifest.
var entryStart = []byte(`{"job":"`)

// repair checks that the file is a manifest by its first line, and removes an
// incomplete line that a crash has left at the end.
func (m *Manifest) repair() error {
	if m.size == 0 {
		return nil
	}
	first, err := bufio.NewReader(io.NewSectionReader(m.file, 0, min(m.size, maxEntry))).ReadBytes('\n')
	if err != nil && err != io.EOF {
		return fmt.Errorf("line 1: %w", err)
	}
	switch _, isEntry := parseEntry(first); {
	case isEntry:
		return m.repairEnd()
	case err == io.EOF && (bytes.HasPrefix(first, entryStart) || bytes.HasPrefix(entryStart, first)):
		return m.cut(0)
	}
	return errors.New("it is not a manifest: use another folder")
}

// repairEnd removes the last line if it is incomplete. The one before that can be
// incomplete, too, if the end of the file was not written.
func (m *Manifest) repairEnd() error {
	for _, size := range []int64{64 << 10, 2 * maxEntry} {
		end := make([]byte, min(m.size, size))
		start := m.size - int64(len(end))
		if _, err := m.file.ReadAt(end, start); err != nil {
			return err
		}
		whole := bytes.LastIndexByte(end, '\n') + 1
		before := bytes.LastIndexByte(end[:max(whole-1, 0)], '\n') + 1
		switch {
		case before == 0 && start > 0:
			continue // the last whole line begins earlier
		case len(end)-whole > maxEntry:
			return errLongEnd
		}
		if _, isEntry := parseEntry(end[before:whole]); !isEntry {
			whole = before
		}
		return m.cut(start + int64(whole))
	}
	return errLongEnd
}

var errLongEnd = errors.New("its last line is too long: repair or remove it, or use another folder")

// cut shortens the file to a size.
func (m *Manifest) cut(size int64) error {
	if size == m.size {
		return nil
	}
	if err := m.file.Truncate(size); err != nil {
		return err
	}
	m.size = size
	return nil
}

// The numbers of an entry have to be less than these, so that they fit into a key.
const (
	endOfRows  = 1 << 32
	endOfShots = 1 << 10
)

// parseEntry parses a line with its line break. Somebody might have changed it: it
// is no entry if it leads out of the folder, or if its key could be that of another
// file.
func parseEntry(line []byte) (e Entry, ok bool) {
	if !bytes.HasSuffix(line, []byte{'\n'}) || json.Unmarshal(line, &e) != nil {
		return e, false
	}
	return e, !e.Job.IsZero() && e.Job.Row > 0 && e.Job.Row < endOfRows && e.Shot > 0 && e.Shot < endOfShots &&
		slices.Contains(jobs.Outputs, e.Output) && (e.File == "" || filepath.IsLocal(filepath.FromSlash(e.File)))
}

// readOnce reads the file unless that was done. The caller holds m.mu, or is the
// only one that knows m.
func (m *Manifest) readOnce() error {
	if m.read {
		return nil
	}
	in := bufio.NewReaderSize(io.NewSectionReader(m.file, 0, m.size), maxEntry)
	offset := int64(0)
	for number := 1; offset < m.size; number++ {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return fmt.Errorf("%s: line %d: %w", ManifestName, number, err)
		}
		e, isEntry := parseEntry(line)
		if !isEntry {
			return fmt.Errorf("%s: line %d is not an entry of a manifest: repair or remove it, or use another folder", ManifestName, number)
		}
		m.index(e, offset)
		offset += int64(len(line))
	}
	m.read = true
	return nil
}
