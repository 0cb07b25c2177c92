// Package disk owns what survives a power cut: files that are replaced whole, names that their folder remembers, the one way
// to open a database, and what to tell a person whose disk is at fault. It knows no SQL beyond a connection's settings.
package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// WriteFile replaces a file whole: after a crash there is the old content or the new one, and when it returns without an
// error the new one is on the disk. The file has exactly these permissions. A symbolic link is replaced itself, not what it
// leads to. The folder must exist. An error names the path.
func WriteFile(path string, content []byte, perm fs.FileMode) error {
	return replacing.write(path, content, perm, nil)
}

// Owner is a user and a group, by number.
type Owner struct {
	UID int `json:"uid"`
	GID int `json:"gid"`
}

// WriteFileOf is [WriteFile] of a file that belongs to somebody, which only root may ask for another.
func WriteFileOf(owner Owner, path string, content []byte, perm fs.FileMode) error {
	return replacing.write(path, content, perm, &owner)
}

// NewFile is [WriteFile] where there is no such file yet; one that is there stays, and the error is [fs.ErrExist].
func NewFile(path string, content []byte, perm fs.FileMode) error {
	return adding.write(path, content, perm, nil)
}

// steps make a file last: its content is synced, it gets its name, the folder is synced.
type steps struct {
	sync func(*os.File) error
	name func(from, to string) error
}

var (
	replacing = steps{(*os.File).Sync, os.Rename}
	// adding gives the file a second name, which unlike a new one takes nobody's place; the first is removed in any case.
	adding = steps{(*os.File).Sync, os.Link}
)

// unfinishedPrefix begins the name of a file that is being written.
const unfinishedPrefix = ".new-"

func unfinished(name string) bool { return strings.HasPrefix(name, unfinishedPrefix) }

func (s steps) write(path string, content []byte, perm fs.FileMode, owner *Owner) error {
	f, err := os.CreateTemp(filepath.Dir(path), unfinishedPrefix+"*") // mode 0600
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if _, err := f.Write(content); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := f.Chmod(perm); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if owner != nil {
		if err := f.Chown(owner.UID, owner.GID); err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
	}
	return s.finish(f, path)
}

// Finish closes a file that was written under another name of the same folder, and gives it the path for a name, in the
// place of what had it: what [WriteFile] does for who writes the file himself. After an error the file is closed too, and
// still there under one of the names.
func Finish(f *os.File, path string) error { return replacing.finish(f, path) }

func (s steps) finish(f *os.File, path string) error {
	// The content first: a name that is on the disk before what it names would show an empty file after a crash.
	if err := errors.Join(s.sync(f), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := s.name(f.Name(), path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return s.syncFolder(filepath.Dir(path))
}

// SyncFolder puts a folder's names on the disk: those that were given, and those that were taken away.
func SyncFolder(dir string) error { return replacing.syncFolder(dir) }

func (s steps) syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	if err := errors.Join(s.sync(d), d.Close()); err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	return nil
}
