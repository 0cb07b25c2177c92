//go:build unix

package disk

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestOwnFileIsReadOnlyWhereNobodyElseCouldChangeIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	read := func(want string) {
		t.Helper()
		_, err := ReadOwn(path, 8, 0o022)
		if exposed := new(ExposedError); !errors.As(err, &exposed) || !strings.Contains(err.Error(), want) ||
			exposed.Path != path {
			t.Errorf("it gave %v, want a word about %q", err, want)
		}
	}
	if _, err := ReadOwn(path, 8, 0o022); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file gave %v", err)
	}
	must(os.WriteFile(path, []byte("12345678"), 0o600))
	must(os.Chmod(path, 0o644))
	if got, err := ReadOwn(path, 8, 0o022); err != nil || string(got) != "12345678" {
		t.Errorf("read %q, %v", got, err)
	}
	if _, err := ReadOwn(path, 7, 0o022); err == nil || !strings.Contains(err.Error(), "longer than 7 bytes") {
		t.Errorf("a longer file gave %v", err)
	}
	must(os.Chmod(path, 0o620))
	read("0620")
	if os.Geteuid() == 0 {
		must(os.Chmod(path, 0o600))
		must(os.Chown(path, 12345, -1))
		read("user 12345")
	}
	must(os.Rename(path, path+"2"))
	must(os.Symlink(path+"2", path))
	read("symbolic link")
	must(os.Remove(path))
	must(syscall.Mkfifo(path, 0o600))
	read("pipe")
	must(os.Remove(path))
	must(os.Mkdir(path, 0o700))
	read("folder")
}

func TestUnfinishedFilesAreRemovedAndNothingElse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{".new-1", ".newer", "new-1", "key"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, ".new-folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := RemoveUnfinished(dir); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(left) != 4 {
		t.Errorf("left %v, %v", left, err)
	}
	if _, err := os.Lstat(filepath.Join(dir, ".new-1")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf(".new-1 stayed: %v", err)
	}
}
