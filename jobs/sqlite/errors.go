package sqlite

import (
	"database/sql"
	"errors"
	"fmt"
	"syscall"

	"github.com/mattn/go-sqlite3"

	"shotline/jobs"
)

// explain wraps an error of the database in the matching error of the contract.
// SQLite also reports damage if a part of the file could not be read for a
// moment. Such an error is jobs.ErrUnavailable until a check has found damage;
// see damage.go.
func explain(err error) error {
	if err == nil || errors.Is(err, jobs.ErrUnavailable) || errors.Is(err, jobs.ErrCorrupt) {
		return err
	}
	if errors.Is(err, sql.ErrConnDone) || errors.Is(err, errClosed) {
		return fmt.Errorf("%w: %w", jobs.ErrUnavailable, err)
	}
	var failure sqlite3.Error
	if !errors.As(err, &failure) {
		return err
	}
	switch failure.Code {
	case sqlite3.ErrFull, sqlite3.ErrIoErr, sqlite3.ErrReadonly, sqlite3.ErrBusy, sqlite3.ErrLocked,
		sqlite3.ErrCantOpen, sqlite3.ErrPerm, sqlite3.ErrProtocol, sqlite3.ErrNomem, sqlite3.ErrCorrupt, sqlite3.ErrNotADB:
		return fmt.Errorf("%w: %w", jobs.ErrUnavailable, err)
	}
	return err
}

// reportsDamage reports whether err says that the file is damaged. The file might
// be intact nevertheless.
func reportsDamage(err error) bool {
	if errors.Is(err, jobs.ErrCorrupt) {
		return true
	}
	var failure sqlite3.Error
	return errors.As(err, &failure) && (failure.Code == sqlite3.ErrCorrupt || failure.Code == sqlite3.ErrNotADB)
}

// readFailed reports whether err is a failure to read or write.
func readFailed(err error) bool {
	var failure sqlite3.Error
	return errors.As(err, &failure) && failure.Code == sqlite3.ErrIoErr || errors.Is(err, syscall.EIO)
}

// broken reports whether err concerns the whole database and not only one
// operation. If so, all operations in its transaction have to fail.
func broken(err error) bool {
	err = explain(err)
	return errors.Is(err, jobs.ErrUnavailable) || errors.Is(err, jobs.ErrCorrupt)
}

// ofData reports whether particular rows might have caused err. An error of the
// program or the schema does not count, because a delivery should not be set
// aside for it.
func ofData(err error) bool {
	var failure sqlite3.Error
	if !errors.As(err, &failure) {
		return !broken(err)
	}
	switch failure.Code {
	case sqlite3.ErrConstraint, sqlite3.ErrMismatch, sqlite3.ErrTooBig:
		return true
	}
	return false
}

// wrapError adds the operation and its key to err.
func wrapError(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), explain(err))
}
