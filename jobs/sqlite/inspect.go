package sqlite

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"shotline/jobs"
)

// The parts of SQLite's file formats that inspect reads.
const (
	headerSize   = 100
	headerMagic  = "SQLite format 3\x00"
	rollbackForm = 1 // a database that was never in WAL mode; our backups are

	walHeaderSize   = 32
	frameHeaderSize = 24

	shmVersion  = 3007000
	shmMaxFrame = 16 // frames in the log
	shmBackfill = 96 // frames of them that are in the database
)

// inspectTries is how often a file must look wrong: another process may be
// just moving its log into it.
const inspectTries = 3

// inspect looks for damage that SQLite would repair by forgetting, or notice
// only later. It reads little and changes nothing.
func inspect(ctx context.Context, path string) error {
	for try := 1; ; try++ {
		err := inspectOnce(path)
		if err == nil || !errors.Is(err, jobs.ErrCorrupt) || try == inspectTries {
			return err
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

func inspectOnce(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("%w: %w", jobs.ErrUnavailable, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("%w: %w", jobs.ErrUnavailable, err)
	}
	log := sizeOf(path + walSuffix)
	if info.Size() == 0 {
		if log > walHeaderSize {
			return fmt.Errorf("%w: it is empty, although %s%s holds data of it", jobs.ErrCorrupt, path, walSuffix)
		}
		return nil
	}
	head := make([]byte, headerSize)
	if _, err := io.ReadFull(f, head); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: %w", jobs.ErrUnavailable, err)
	}
	h, err := parseHeader(head)
	if err != nil {
		return err
	}
	if h.form == rollbackForm && log > walHeaderSize {
		return fmt.Errorf("%w: %s%s is the log of another database, such as the one that this file replaces", jobs.ErrCorrupt, path, walSuffix)
	}
	if pages := info.Size() / h.pageSize; pages < h.pages {
		held, err := pagesInLog(path+walSuffix, h.pageSize, pages, h.pages)
		if err != nil {
			return err
		}
		if held < h.pages-pages {
			return fmt.Errorf("%w: it is cut short: %d bytes instead of %d", jobs.ErrCorrupt, info.Size(), h.pages*h.pageSize)
		}
	}
	if log == 0 {
		return logIsMissing(path)
	}
	return nil
}

// inRollbackForm reports whether a file is as our backups are.
func inRollbackForm(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, fmt.Errorf("%w: %w", jobs.ErrUnavailable, err)
	}
	defer f.Close()
	head := make([]byte, headerSize)
	if _, err := io.ReadFull(f, head); err != nil {
		return false, nil // an empty file, or SQLite will say more
	}
	return head[18] == rollbackForm, nil
}

// header is what the first bytes of a database say.
type header struct {
	pageSize int64
	form     byte
	pages    int64 // 0 when not told
}

func parseHeader(head []byte) (header, error) {
	if !bytes.HasPrefix(head, []byte(headerMagic)) {
		return header{}, fmt.Errorf("%w: file is not a database: it does not begin like one of SQLite", jobs.ErrCorrupt)
	}
	h := header{pageSize: int64(binary.BigEndian.Uint16(head[16:])), form: head[18]}
	if h.pageSize == 1 {
		h.pageSize = 65536
	}
	if h.pageSize < 512 || h.pageSize&(h.pageSize-1) != 0 {
		return header{}, fmt.Errorf("%w: its header names a page size of %d bytes", jobs.ErrCorrupt, h.pageSize)
	}
	if changes, countedAt := head[24:28], head[92:96]; bytes.Equal(changes, countedAt) {
		h.pages = int64(binary.BigEndian.Uint32(head[28:]))
	}
	return h, nil
}

// pagesInLog counts the pages behind from, up to to, that the log has: a
// crash while the log is moved into the database leaves the file short.
func pagesInLog(path string, pageSize, from, to int64) (int64, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("%w: %w", jobs.ErrUnavailable, err)
	}
	defer f.Close()
	held := map[int64]bool{}
	var head [walHeaderSize]byte
	if _, err := f.ReadAt(head[:], 0); err != nil {
		return 0, nil // too short for anything
	}
	var frame [frameHeaderSize]byte
	for at := int64(walHeaderSize); ; at += frameHeaderSize + pageSize {
		_, err := f.ReadAt(frame[:], at)
		if err != nil || !bytes.Equal(frame[8:16], head[16:24]) { // the end, or left from an earlier round
			return int64(len(held)), nil
		}
		if page := int64(binary.BigEndian.Uint32(frame[:])); page > from && page <= to {
			held[page] = true
		}
	}
}

// logIsMissing tells by the shared memory that a crash left behind whether the
// log that is not there held commits.
func logIsMissing(path string) error {
	f, err := os.Open(path + shmSuffix)
	if err != nil {
		return nil // nothing is left of a crash, or SQLite will say more
	}
	defer f.Close()
	index := make([]byte, shmBackfill+4)
	if _, err := io.ReadFull(f, index); err != nil {
		return nil
	}
	order := binary.NativeEndian
	if order.Uint32(index) != shmVersion {
		return nil
	}
	if frames, moved := order.Uint32(index[shmMaxFrame:]), order.Uint32(index[shmBackfill:]); frames > moved {
		return fmt.Errorf("%w: %s%s is missing, which held the last of what was written", jobs.ErrCorrupt, path, walSuffix)
	}
	return nil
}
