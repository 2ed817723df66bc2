package sqlite

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
)

// The header of the log's index, at the beginning of the shared memory. It
// consists of two copies, followed by the number of frames that are in the
// database. See https://sqlite.org/walformat.html.
const (
	indexCopySize   = 48
	indexHeaderSize = 2 * indexCopySize
	indexInit       = 12 // offset of a byte that is 1 once the header is filled
	indexPageSize   = 14
)

// invalidateIndex invalidates the header of the log's index, for all processes
// that have the database open. The next one that needs the index rebuilds it from
// the log, as after a crash, and then treats no frame as moved. Before that,
// invalidateIndex ends the log after its last commit. Frames of a commit whose
// sync failed look valid, but they might not be on disk.
func (c *connection) invalidateIndex() (err error) {
	index := c.store.index
	if err := c.begin(); err != nil { // nobody can append to the log or restart it now
		return err
	}
	defer func() { err = errors.Join(err, c.tx.control("COMMIT")) }() // nothing was written
	var header [indexHeaderSize]byte
	if _, err := index.ReadAt(header[:], 0); err != nil {
		return fmt.Errorf("read the index of the log: %w", err)
	}
	if !validIndex(header[:]) {
		return nil // it will be rebuilt anyway
	}
	order := binary.NativeEndian
	frames, pageSize := int64(order.Uint32(header[shmMaxFrame:])), int64(order.Uint16(header[indexPageSize:]))
	if pageSize == 1 {
		pageSize = 65536
	}
	if err := endLog(c.store.path+walSuffix, walHeaderSize+frames*(frameHeaderSize+pageSize)); err != nil {
		return fmt.Errorf("end the log after its last commit: %w", err)
	}
	if _, err := index.WriteAt(make([]byte, indexHeaderSize), 0); err != nil {
		return fmt.Errorf("invalidate the index of the log: %w", err)
	}
	return nil
}

// logFrames returns the number of frames in the log. The number might be wrong
// for a moment if another process is writing it.
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

// endLog invalidates the frame at an offset, and with it all that follow.
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
