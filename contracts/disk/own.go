package disk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
)

// ExposedError says that somebody else could have read or changed a file that is this user's alone, or have put another
// one in its place. Nothing of it was used.
type ExposedError struct{ Path, Why string }

// Error implements error.
func (e *ExposedError) Error() string { return e.Path + " " + e.Why }

// ReadOwn reads a file of at most limit bytes that belongs to the user of this process: [*ExposedError] where it is anything
// but a regular file, where it is a link, where another user owns it, or where it has one of the permissions denied. It
// never waits for the other end of a pipe. Where files have no owners and no permissions of that kind they aren't looked at.
func ReadOwn(path string, limit int, denied fs.FileMode) ([]byte, error) {
	return ReadOf(os.Geteuid(), path, limit, denied)
}

// ReadOf is [ReadOwn] of a file that belongs to a user by number, for whom root acts.
func ReadOf(uid int, path string, limit int, denied fs.FileMode) ([]byte, error) {
	// What is no regular file is not even opened, since opening alone can have an effect. The open file is what counts.
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &ExposedError{path, "is no regular file but " + kindOf(info.Mode())}
	}
	f, err := os.OpenFile(path, os.O_RDONLY|openNoLink, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &ExposedError{path, "is no regular file but " + kindOf(info.Mode())}
	}
	if owner, known := OwnerOf(info); known && owner.UID != uid {
		return nil, &ExposedError{path, fmt.Sprintf("belongs to user %d, not to user %d", owner.UID, uid)}
	}
	if perm := info.Mode().Perm(); runtime.GOOS != "windows" && perm&denied != 0 {
		return nil, &ExposedError{path, fmt.Sprintf("has mode %04o, which lets other users at it", perm)}
	}
	content, err := io.ReadAll(io.LimitReader(f, int64(limit)+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if len(content) > limit {
		return nil, fmt.Errorf("%s is longer than %d bytes", path, limit)
	}
	return content, nil
}

// kindOf names what a file is in place of a regular one.
func kindOf(mode fs.FileMode) string {
	switch {
	case mode&fs.ModeSymlink != 0:
		return "a symbolic link"
	case mode.IsDir():
		return "a folder"
	case mode&fs.ModeNamedPipe != 0:
		return "a pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	}
	return "a device"
}

// RemoveUnfinished removes from a folder what [WriteFile] left of a file when its process was killed. The caller makes sure
// that nobody writes there meanwhile.
func RemoveUnfinished(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("unfinished files: %w", err)
	}
	var failed error
	for _, entry := range entries {
		if unfinished(entry.Name()) && entry.Type().IsRegular() {
			failed = errors.Join(failed, os.Remove(dir+string(os.PathSeparator)+entry.Name()))
		}
	}
	return failed
}
