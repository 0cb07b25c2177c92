package disk_test

import (
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"byway/contracts/disk"
	"byway/contracts/disk/faultdisk"
)

func open(t *testing.T, path string, d disk.Database) *sql.DB {
	t.Helper()
	db, err := disk.Open(path, d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func pragma(t *testing.T, db *sql.DB, name string) (value string) {
	t.Helper()
	if err := db.QueryRow("PRAGMA " + name).Scan(&value); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return value
}

func TestDatabaseIsOpenedAsAsked(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a file?with#signs%20.db")
	for _, c := range []struct {
		how  disk.Database
		want map[string]string
	}{
		{disk.Database{Access: disk.Create, Commit: disk.Synced, Wait: 1500 * time.Millisecond, Conns: 1, ForeignKeys: true},
			map[string]string{"journal_mode": "wal", "synchronous": "2", "busy_timeout": "1500", "foreign_keys": "1", "query_only": "0"}},
		{disk.Database{Access: disk.Create, Commit: disk.Late, Wait: time.Second},
			map[string]string{"journal_mode": "wal", "synchronous": "1", "busy_timeout": "1000", "foreign_keys": "0"}},
		{disk.Database{}, map[string]string{"journal_mode": "wal", "busy_timeout": "0", "query_only": "0"}},
		{disk.Database{Access: disk.Query}, map[string]string{"journal_mode": "wal", "query_only": "1"}},
	} {
		db := open(t, path, c.how)
		for name, want := range c.want {
			if got := pragma(t, db, name); got != want {
				t.Errorf("%+v: %s is %s, not %s", c.how, name, got, want)
			}
		}
		if got := db.Stats().MaxOpenConnections; got != c.how.Conns {
			t.Errorf("%+v: %d connections are allowed", c.how, got)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("the file is %v: %v", info, err)
	}
}

func TestWhoLooksChangesNothing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger.db")
	writer := open(t, path, disk.Database{Access: disk.Create, Commit: disk.Synced, Conns: 1})
	if _, err := writer.Exec("CREATE TABLE t (n INTEGER); INSERT INTO t VALUES (7)"); err != nil {
		t.Fatal(err)
	}
	for _, access := range []disk.Access{disk.Query, disk.Read} {
		db := open(t, path, disk.Database{Access: access})
		var n int
		if err := db.QueryRow("SELECT n FROM t").Scan(&n); n != 7 {
			t.Errorf("access %d: read %d: %v", access, n, err)
		}
		if _, err := db.Exec("INSERT INTO t VALUES (8)"); err == nil || !strings.Contains(disk.Advise(err).Error(), "writable") {
			t.Errorf("access %d: a write: %v", access, err)
		}
	}
	// One that is not there is not made.
	gone := filepath.Join(t.TempDir(), "gone.db")
	if err := open(t, gone, disk.Database{Access: disk.Read}).Ping(); err == nil {
		t.Error("a file that is not there was read")
	}
	if _, err := os.Stat(gone); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file was made for reading it: %v", err)
	}
	if _, err := disk.Open(filepath.Join(gone, "x.db"), disk.Database{Access: disk.Create}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder that is gone: %v", err)
	}
}

func TestBusyDatabaseIsToldFromABrokenOne(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger.db")
	first := open(t, path, disk.Database{Access: disk.Create, Commit: disk.Synced, Immediate: true})
	if _, err := first.Exec("CREATE TABLE t (n INTEGER)"); err != nil {
		t.Fatal(err)
	}
	tx, err := first.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	second := open(t, path, disk.Database{})
	if _, err := second.Exec("INSERT INTO t VALUES (1)"); !disk.Busy(err) {
		t.Errorf("while another writes: %v", err)
	}
	if _, err := second.Exec("INSERT INTO nothing VALUES (1)"); err == nil || disk.Busy(err) {
		t.Errorf("a table that is not there: %v", err)
	}
}

func TestAdviceSaysWhatToDoAboutTheDisk(t *testing.T) {
	t.Parallel()
	for order, want := range map[faultdisk.Fault]string{
		faultdisk.FailFull: "free some space", faultdisk.FailReadOnly: "writable", faultdisk.FailBefore: "the disk fails",
	} {
		dir := t.TempDir()
		layer := faultdisk.New(t, dir)
		db := open(t, filepath.Join(dir, "x.db"), disk.Database{Access: disk.Create, Commit: disk.Synced, Conns: 1, VFS: faultdisk.VFS})
		if _, err := db.Exec("CREATE TABLE t (n INTEGER)"); err != nil {
			t.Fatal(err)
		}
		layer.SetFail(func(int) faultdisk.Fault { return order })
		_, err := db.Exec("INSERT INTO t VALUES (1)")
		if advised := disk.Advise(err); err == nil || !errors.Is(advised, err) || !strings.Contains(advised.Error(), want) {
			t.Errorf("fault %d: %v", order, advised)
		}
		layer.SetFail(nil)
	}
	if other := errors.New("something else"); disk.Advise(other) != other || disk.Advise(nil) != nil { //nolint:errorlint // the same value
		t.Error("what is no fault of the disk was changed")
	}
}
