package store

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// ErrDisk says that a store has ended, since its disk takes nothing more.
var ErrDisk = errors.New("the block store cannot write")

// breakage is the end of a store whose disk takes no more.
type breakage struct {
	log  *slog.Logger
	once sync.Once
	done chan struct{}
	err  error // valid once done is closed
}

// keep ends the store and does not return. Pebble would end the process, also where it holds locks that a panic passes
// by: the goroutine keeps them, so that nobody goes on behind it and loses blocks that a caller was told are stored.
func (b *breakage) keep(cause error) {
	b.once.Do(func() {
		b.log.Error("the block store cannot write, and ends; sessions go on", "error", cause)
		b.err = fmt.Errorf("%w: %w; blocks are neither read nor stored until there is room for them and the node is started again",
			ErrDisk, cause)
		close(b.done)
	})
	select {}
}

// check keeps the goroutine where err is not nil.
func (b *breakage) check(err error) {
	if err != nil {
		b.keep(err)
	}
}

// unlessBroken waits for an operation, or for the store's end: then pebble keeps the operation for ever.
func unlessBroken[T any](b *breakage, operation func() (T, error)) (T, error) {
	if b == nil {
		return operation()
	}
	var none T
	select {
	case <-b.done:
		return none, b.err
	default:
	}
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() { // ends with the operation
		value, err := operation()
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-b.done:
		return none, b.err
	}
}

// firmDisk is pebble's way to the disk. A write that fails ends the store before pebble hears of it.
type firmDisk struct {
	vfs.FS
	broken *breakage
}

// Create implements vfs.FS.
func (d firmDisk) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := d.FS.Create(name, category)
	d.broken.check(err)
	return firmFile{f, d.broken}, nil
}

// ReuseForWrite implements vfs.FS.
func (d firmDisk) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := d.FS.ReuseForWrite(oldname, newname, category)
	d.broken.check(err)
	return firmFile{f, d.broken}, nil
}

// OpenDir implements vfs.FS.
func (d firmDisk) OpenDir(name string) (vfs.File, error) {
	f, err := d.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return firmFile{f, d.broken}, nil
}

// firmFile is a file that pebble writes.
type firmFile struct {
	vfs.File
	broken *breakage
}

// Write implements vfs.File.
func (f firmFile) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	f.broken.check(err)
	return n, nil
}

// Sync implements vfs.File.
func (f firmFile) Sync() error {
	f.broken.check(f.File.Sync())
	return nil
}

// SyncData implements vfs.File.
func (f firmFile) SyncData() error {
	f.broken.check(f.File.SyncData())
	return nil
}

// SyncTo implements vfs.File.
func (f firmFile) SyncTo(length int64) (bool, error) {
	full, err := f.File.SyncTo(length)
	f.broken.check(err)
	return full, nil
}
