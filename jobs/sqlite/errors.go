package sqlite

import (
	"database/sql"
	"errors"
	"fmt"
	"syscall"

	"github.com/mattn/go-sqlite3"

	"shotline/jobs"
)

// explain adds the contract's word to an error of the database. SQLite reports
// damage also when a part of the file could not be read for a moment, so that is
// jobs.ErrUnavailable until a check has found damage; see damage.go.
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

// reportsDamage reports whether err says that the file is damaged, be it so or
// not.
func reportsDamage(err error) bool {
	if errors.Is(err, jobs.ErrCorrupt) {
		return true
	}
	var failure sqlite3.Error
	return errors.As(err, &failure) && (failure.Code == sqlite3.ErrCorrupt || failure.Code == sqlite3.ErrNotADB)
}

// readFailed reports whether err says that something could not be read or
// written.
func readFailed(err error) bool {
	var failure sqlite3.Error
	return errors.As(err, &failure) && failure.Code == sqlite3.ErrIoErr || errors.Is(err, syscall.EIO)
}

// broken reports whether err is of the database as a whole and not of one
// operation, so that everything in its transaction has to fail with it.
func broken(err error) bool {
	err = explain(err)
	return errors.Is(err, jobs.ErrUnavailable) || errors.Is(err, jobs.ErrCorrupt)
}

// ofData reports whether err can be the making of particular rows. What is
// wrong with the program or the schema is not, and must not cost a delivery.
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

// wrapError names the operation and its key.
func wrapError(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), explain(err))
}
