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
	rollbackForm = 1 // not in WAL mode, like our backups

	walHeaderSize   = 32
	frameHeaderSize = 24

	shmVersion  = 3007000
	shmMaxFrame = 16 // offset of the number of frames in the log
	shmBackfill = 96 // offset of the number of those that are in the database
)

// inspectTries is how often a file must look damaged. Once is not enough, because
// another process might be moving its log into it.
const inspectTries = 3

// inspect looks for damage that SQLite would repair by dropping data, or would
// notice only later. It reads little and changes nothing.
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
			return fmt.Errorf("%w: it is empty, although %s%s holds its data", jobs.ErrCorrupt, path, walSuffix)
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
		return checkMissingLog(path)
	}
	return nil
}

// inRollbackForm reports whether a file is in the form of our backups.
func inRollbackForm(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, fmt.Errorf("%w: %w", jobs.ErrUnavailable, err)
	}
	defer f.Close()
	head := make([]byte, headerSize)
	if _, err := io.ReadFull(f, head); err != nil {
		return false, nil // the file is empty, or SQLite will report the error
	}
	return head[18] == rollbackForm, nil
}

// header holds the values that inspect needs from the header of a database.
type header struct {
	pageSize int64
	form     byte
	pages    int64 // 0 if unknown
}

func parseHeader(head []byte) (header, error) {
	if !bytes.HasPrefix(head, []byte(headerMagic)) {
		return header{}, fmt.Errorf("%w: file is not a database: it has no SQLite header", jobs.ErrCorrupt)
	}
	h := header{pageSize: int64(binary.BigEndian.Uint16(head[16:])), form: head[18]}
	if h.pageSize == 1 {
		h.pageSize = 65536
	}
	if h.pageSize < 512 || h.pageSize&(h.pageSize-1) != 0 {
		return header{}, fmt.Errorf("%w: its header has the invalid page size of %d bytes", jobs.ErrCorrupt, h.pageSize)
	}
	if changes, countedAt := head[24:28], head[92:96]; bytes.Equal(changes, countedAt) {
		h.pages = int64(binary.BigEndian.Uint32(head[28:]))
	}
	return h, nil
}

// pagesInLog counts the pages after from, up to to, that are in the log. If a
// crash interrupts a move of the log, the file can be too short, but the log has
// the missing pages.
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
		return 0, nil // too short to hold a page
	}
	var frame [frameHeaderSize]byte
	for at := int64(walHeaderSize); ; at += frameHeaderSize + pageSize {
		_, err := f.ReadAt(frame[:], at)
		if err != nil || !bytes.Equal(frame[8:16], head[16:24]) { // the end, or frames from before the log restarted
			return int64(len(held)), nil
		}
		if page := int64(binary.BigEndian.Uint32(frame[:])); page > from && page <= to {
			held[page] = true
		}
	}
}

// checkMissingLog returns an error if the missing log held commits that are not
// in the database. It reads this from the shared memory that a crash left.
func checkMissingLog(path string) error {
	f, err := os.Open(path + shmSuffix)
	if err != nil {
		return nil // there was no crash, or SQLite will report the error
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
		return fmt.Errorf("%w: %s%s is missing, although it held the latest commits", jobs.ErrCorrupt, path, walSuffix)
	}
	return nil
}
