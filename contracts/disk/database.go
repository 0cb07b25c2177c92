package disk

import (
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite" // the driver, which database/sql finds by name
)

// Database says how [Open] opens a SQLite database.
type Database struct {
	Access Access
	Commit Commit
	// Wait is how long a statement waits while another connection keeps the file to itself; whole milliseconds.
	Wait time.Duration
	// Conns bounds the connections, of which SQLite lets one write at a time; 0 for no bound.
	Conns int
	// ForeignKeys makes SQLite hold the references that the tables state.
	ForeignKeys bool
	// Immediate takes the right to write when a transaction begins: one that reads first can't fail for it half-way.
	Immediate bool
	// VFS is SQLite's name of the layer that the files are read and written by; empty for the system's.
	VFS string
}

// Access says how a database's file is used.
type Access int

// The accesses.
const (
	// Write reads and writes a file that is there.
	Write Access = iota
	// Create is Write, and makes the file where there is none, for this user alone.
	Create
	// Query changes nothing of what is in the database, yet may write the files beside it that a writer in another process
	// needs to know its readers by.
	Query
	// Read writes no file at all.
	Read
)

// Commit says whether a commit that has returned survives a power cut. The database's form survives one in any case.
type Commit int

// The kinds of commit.
const (
	// Unset leaves the file's journal as it is.
	Unset Commit = iota
	// Synced is on the disk (write-ahead log, synchronous=FULL).
	Synced
	// Late is on the disk some time later: a power cut may take the last seconds (write-ahead log, synchronous=NORMAL).
	Late
)

// Open opens the database in a file, whose folder must exist. Most of what can be wrong with the file is said by the first
// statement. The database is the caller's to close.
func Open(path string, d Database) (*sql.DB, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	pragmas := []string{fmt.Sprintf("busy_timeout(%d)", d.Wait.Milliseconds())} // first: the others may have to wait
	switch d.Commit {
	case Synced:
		pragmas = append(pragmas, "journal_mode(WAL)", "synchronous(FULL)")
	case Late:
		pragmas = append(pragmas, "journal_mode(WAL)", "synchronous(NORMAL)")
	}
	if d.ForeignKeys {
		pragmas = append(pragmas, "foreign_keys(1)")
	}
	query := url.Values{}
	switch d.Access {
	case Create:
		// Made here, and not by SQLite, for its mode: what somebody pays, sends and finds out is nobody else's business.
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, err
		}
		if err := f.Close(); err != nil {
			return nil, err
		}
	case Query:
		pragmas = append(pragmas, "query_only(1)")
	case Read:
		query.Set("mode", "ro")
	}
	query["_pragma"] = pragmas
	if d.Immediate {
		query.Set("_txlock", "immediate")
	}
	if d.VFS != "" {
		query.Set("vfs", d.VFS)
	}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: path, RawQuery: query.Encode()}).String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(d.Conns)
	return db, nil
}
