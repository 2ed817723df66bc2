package sqlite

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
)

// The header of the index of the log, at the beginning of the shared memory:
// two copies, and then how much of the log is in the database. See
// https://sqlite.org/walformat.html.
const (
	indexCopySize   = 48
	indexHeaderSize = 2 * indexCopySize
	indexInit       = 12 // 1 once the header is filled
	indexPageSize   = 14
)

// forgetMoved makes SQLite take no page of the log for moved, in all processes
// that have the database open: it invalidates the header of the index, and
// whoever needs the index next builds it anew from the log, as after a crash.
// Nothing may follow the last commit in the log then: frames of a commit whose
// sync failed look valid, but are perhaps not on the disk.
func (c *connection) forgetMoved() (err error) {
	index := c.store.index
	if err := c.begin(); err != nil { // nobody appends to the log, or begins it anew
		return err
	}
	defer func() { err = errors.Join(err, c.tx.control("COMMIT")) }() // of nothing
	var header [indexHeaderSize]byte
	if _, err := index.ReadAt(header[:], 0); err != nil {
		return fmt.Errorf("read the index of the log: %w", err)
	}
	if !validIndex(header[:]) {
		return nil // it is going to be built anew
	}
	order := binary.NativeEndian
	frames, pageSize := int64(order.Uint32(header[shmMaxFrame:])), int64(order.Uint16(header[indexPageSize:]))
	if pageSize == 1 {
		pageSize = 65536
	}
	if err := endLog(c.store.path+walSuffix, walHeaderSize+frames*(frameHeaderSize+pageSize)); err != nil {
		return fmt.Errorf("end the log behind its last commit: %w", err)
	}
	if _, err := index.WriteAt(make([]byte, indexHeaderSize), 0); err != nil {
		return fmt.Errorf("invalidate the index of the log: %w", err)
	}
	return nil
}

// logFrames is how many frames the log has. It may be wrong for a moment, while
// another process writes it.
func (s *Store) logFrames() (int64, error) {
	var frames [4]byte
	if _, err := s.index.ReadAt(frames[:], shmMaxFrame); err != nil {
		return 0, fmt.Errorf("read the index of the log: %w", err)
	}
	return int64(binary.NativeEndian.Uint32(frames[:])), nil
}

// validIndex reports whether SQLite would use the index.
func validIndex(header []byte) bool {
	return binary.NativeEndian.Uint32(header) == shmVersion && header[indexInit] == 1 &&
		bytes.Equal(header[:indexCopySize], header[indexCopySize:indexHeaderSize])
}

// endLog makes the frame at that place invalid, and with it all that follow.
func endLog(path string, at int64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && info.Size() > at {
		_, err = f.WriteAt(make([]byte, frameHeaderSize), at)
	}
	return errors.Join(err, f.Close())
}
