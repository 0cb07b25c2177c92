package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Advise says of an error what a person can do about it where the disk is at fault, and returns any other as it is.
func Advise(err error) error {
	if err == nil {
		return nil
	}
	code := codeOf(err)
	switch {
	case code == sqlite3.SQLITE_FULL || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%w: the disk is full: free some space on it", err)
	case code == sqlite3.SQLITE_READONLY || code == sqlite3.SQLITE_CANTOPEN || errors.Is(err, syscall.EROFS) ||
		errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: it can't be written: make the disk and the file writable for this user", err)
	case code == sqlite3.SQLITE_IOERR || errors.Is(err, syscall.EIO):
		return fmt.Errorf("%w: the disk fails: see what the system's log says of it", err)
	}
	return err
}

// Busy reports whether a database is kept by another process for itself, which says nothing of what is in it.
func Busy(err error) bool {
	code := codeOf(err)
	return code == sqlite3.SQLITE_BUSY || code == sqlite3.SQLITE_LOCKED
}

// codeOf is SQLite's code of an error, without the detail; 0 where it is not SQLite's.
func codeOf(err error) int {
	if e := (*sqlite.Error)(nil); errors.As(err, &e) {
		return e.Code() & 0xff
	}
	return 0
}
