// Package faultdisk is a disk that fails when a test says so and forgets what was not synced when the test cuts the power:
// a layer between SQLite and the files of one folder. It is for tests alone.
package faultdisk

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// VFS is the name under which SQLite knows the layer: a database that is opened with it in a folder of [New] is
// remembered, file by file, as what has been synced and what has only been written.
const VFS = "fault"

// Disk is the layer of one folder.
type Disk struct {
	mu    sync.Mutex
	files map[string]*diskFile // by name within the folder
	calls int                  // writes, truncations and syncs so far
	fail  func(call int) Fault // nil: none
	syncs int
}

// Fault is how a call fails.
type Fault int

// The faults.
const (
	Healthy    Fault = iota
	FailBefore       // the call is not done, and reported as failed
	FailAfter        // the call is done, and reported as failed
	FailFull         // there is no room
	FailReadOnly
)

type diskFile struct {
	synced  []byte
	pending []diskWrite
}

// diskWrite is a write, or with a nil data the truncation to a length.
type diskWrite struct {
	at   int64
	data []byte
}

var (
	disksMu sync.Mutex
	disks   = map[string]*Disk{} // by folder
	open    = map[uintptr]*openFile{}

	systemVFS     *sqlite3.Tsqlite3_vfs
	registerFault = sync.OnceFunc(func() {
		tls := libc.NewTLS()
		system := sqlite3.Xsqlite3_vfs_find(tls, 0)
		systemVFS = at[sqlite3.Tsqlite3_vfs](system)
		address := libc.Xmalloc(tls, libc.Tsize_t(unsafe.Sizeof(*systemVFS)))
		vfs := at[sqlite3.Tsqlite3_vfs](address)
		*vfs = *systemVFS
		name, err := libc.CString(VFS)
		if err != nil {
			panic(err)
		}
		vfs.FzName = name
		vfs.FxOpen, vfs.FxDelete = cFunc(faultOpen), cFunc(faultDelete)
		if rc := sqlite3.Xsqlite3_vfs_register(tls, address, 0); rc != sqlite3.SQLITE_OK {
			panic(rc)
		}
	})
)

type openFile struct {
	disk    *Disk
	file    *diskFile
	methods *sqlite3.Tsqlite3_io_methods // the system's
	ours    uintptr                      // a changed copy, freed when closed
}

// at is the object at an address outside of Go's memory.
func at[T any](address uintptr) *T {
	return *(**T)(unsafe.Pointer(&address))
}

// cFunc is a Go function the way that the translated C calls one.
func cFunc(f any) uintptr {
	return (*[2]uintptr)(unsafe.Pointer(&f))[1]
}

func faultOpen(tls *libc.TLS, _, name, file uintptr, flags int32, out uintptr) int32 {
	f := systemVFS.FxOpen
	rc := (*(*func(*libc.TLS, uintptr, uintptr, uintptr, int32, uintptr) int32)(unsafe.Pointer(&struct{ uintptr }{f})))(
		tls, sqlite3.Xsqlite3_vfs_find(tls, 0), name, file, flags, out)
	if rc != sqlite3.SQLITE_OK || name == 0 {
		return rc
	}
	path := libc.GoString(name)
	disksMu.Lock()
	defer disksMu.Unlock()
	d := disks[filepath.Dir(path)]
	if d == nil {
		return rc
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	base := filepath.Base(path)
	if d.files[base] == nil {
		content, _ := os.ReadFile(path) // what was there before counts as synced
		d.files[base] = &diskFile{synced: content}
	}
	sf := at[sqlite3.Tsqlite3_file](file)
	methods := at[sqlite3.Tsqlite3_io_methods](sf.FpMethods)
	ours := libc.Xmalloc(tls, libc.Tsize_t(unsafe.Sizeof(*methods)))
	changed := at[sqlite3.Tsqlite3_io_methods](ours)
	*changed = *methods
	changed.FxWrite, changed.FxTruncate = cFunc(faultWrite), cFunc(faultTruncate)
	changed.FxSync, changed.FxClose = cFunc(faultSync), cFunc(faultClose)
	sf.FpMethods = ours
	open[file] = &openFile{d, d.files[base], methods, ours}
	return rc
}

// faultDelete forgets a file at once: SQLite deletes one (the journal of the very first transaction) before its folder is
// synced, and that before anybody counts on it.
func faultDelete(tls *libc.TLS, _, name uintptr, dirSync int32) int32 {
	path := libc.GoString(name)
	disksMu.Lock()
	d := disks[filepath.Dir(path)]
	disksMu.Unlock()
	if d != nil {
		d.mu.Lock()
		delete(d.files, filepath.Base(path))
		d.mu.Unlock()
	}
	f := systemVFS.FxDelete
	return (*(*func(*libc.TLS, uintptr, uintptr, int32) int32)(unsafe.Pointer(&struct{ uintptr }{f})))(
		tls, sqlite3.Xsqlite3_vfs_find(tls, 0), name, dirSync)
}

func opened(file uintptr) *openFile {
	disksMu.Lock()
	defer disksMu.Unlock()
	return open[file]
}

// call runs one changing call under the test's orders: do reaches the system, note the model.
func (o *openFile) call(do func() int32, note func()) int32 {
	d := o.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls++
	order := Healthy
	if d.fail != nil {
		order = d.fail(d.calls)
	}
	switch order {
	case FailBefore:
		return sqlite3.SQLITE_IOERR_WRITE
	case FailFull:
		return sqlite3.SQLITE_FULL
	case FailReadOnly:
		return sqlite3.SQLITE_READONLY
	}
	rc := do()
	if rc == sqlite3.SQLITE_OK {
		note()
	}
	if order == FailAfter {
		return sqlite3.SQLITE_IOERR_WRITE
	}
	return rc
}

func faultWrite(tls *libc.TLS, file, data uintptr, n int32, offset int64) int32 {
	o := opened(file)
	return o.call(func() int32 {
		return (*(*func(*libc.TLS, uintptr, uintptr, int32, int64) int32)(unsafe.Pointer(
			&struct{ uintptr }{o.methods.FxWrite})))(tls, file, data, n, offset)
	}, func() {
		b := make([]byte, n)
		copy(b, unsafe.Slice(at[byte](data), n))
		o.file.pending = append(o.file.pending, diskWrite{offset, b})
	})
}

func faultTruncate(tls *libc.TLS, file uintptr, size int64) int32 {
	o := opened(file)
	return o.call(func() int32 {
		return (*(*func(*libc.TLS, uintptr, int64) int32)(unsafe.Pointer(
			&struct{ uintptr }{o.methods.FxTruncate})))(tls, file, size)
	}, func() { o.file.pending = append(o.file.pending, diskWrite{size, nil}) })
}

func faultSync(tls *libc.TLS, file uintptr, flags int32) int32 {
	o := opened(file)
	return o.call(func() int32 {
		return (*(*func(*libc.TLS, uintptr, int32) int32)(unsafe.Pointer(
			&struct{ uintptr }{o.methods.FxSync})))(tls, file, flags)
	}, func() {
		for _, w := range o.file.pending {
			o.file.synced = w.apply(o.file.synced)
		}
		o.file.pending = nil
		o.disk.syncs++
	})
}

func faultClose(tls *libc.TLS, file uintptr) int32 {
	disksMu.Lock()
	o := open[file]
	delete(open, file)
	disksMu.Unlock()
	rc := (*(*func(*libc.TLS, uintptr) int32)(unsafe.Pointer(&struct{ uintptr }{o.methods.FxClose})))(tls, file)
	libc.Xfree(tls, o.ours)
	return rc
}

func (w diskWrite) apply(b []byte) []byte {
	if w.data == nil {
		for int64(len(b)) < w.at {
			b = append(b, 0)
		}
		return b[:w.at]
	}
	if short := w.at + int64(len(w.data)) - int64(len(b)); short > 0 {
		b = append(b, make([]byte, short)...)
	}
	copy(b[w.at:], w.data)
	return b
}

// New puts the layer under a folder until the test ends. What is to be tested there is to be opened with [VFS].
func New(t testing.TB, dir string) *Disk {
	t.Helper()
	registerFault()
	d := &Disk{files: map[string]*diskFile{}}
	disksMu.Lock()
	defer disksMu.Unlock()
	disks[dir] = d
	t.Cleanup(func() {
		disksMu.Lock()
		defer disksMu.Unlock()
		delete(disks, dir)
	})
	return d
}

// SetFail says how each call that changes a file fails from now on, by its number; nil: it doesn't.
func (d *Disk) SetFail(f func(call int) Fault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail = f
}

// Calls is how many writes, truncations and syncs there were.
func (d *Disk) Calls() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.calls
}

// Syncs is how many of them were syncs that succeeded.
func (d *Disk) Syncs() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.syncs
}

// Cut writes into a folder what a power cut at this moment leaves: what was synced, and of the rest any part, in
// sectors of 512 bytes, in any order.
func (d *Disk) Cut(t testing.TB, dir string, r *rand.Rand) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	survive := r.Float64()
	for name, f := range d.files {
		if strings.HasSuffix(name, "-shm") {
			continue
		}
		b := append([]byte(nil), f.synced...)
		for _, w := range f.pending {
			switch {
			case w.data == nil:
				if r.Float64() < survive {
					b = w.apply(b)
				}
			default:
				for from := 0; from < len(w.data); from += 512 {
					if r.Float64() < survive {
						to := min(from+512, len(w.data))
						b = diskWrite{w.at + int64(from), w.data[from:to]}.apply(b)
					}
				}
			}
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
