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

var errPower = errors.New("the power is gone")

// At whatever step a write ends, what the path names is the old content or the new one, whole, and never content that is not
// yet synced. A write that has returned was synced, the folder last.
func TestWriteThatEndsAtAnyStepLeavesOldOrNew(t *testing.T) {
	t.Parallel()
	for name, kind := range map[string]steps{"replace": replacing, "add": adding} {
		for end := range 4 { // the content's sync, the name, the folder's sync, none
			dir := t.TempDir()
			path := filepath.Join(dir, "file")
			old := ""
			if name == "replace" {
				old = "the old content, which is longer"
				if err := os.WriteFile(path, []byte(old), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			var done []string
			step := func(what string) error {
				if len(done) == end {
					return errPower
				}
				done = append(done, what)
				return nil
			}
			s := steps{
				sync: func(f *os.File) error {
					if f.Name() == dir {
						return step("folder")
					}
					return step("content")
				},
				name: func(from, to string) error {
					if err := step("name"); err != nil {
						return err
					}
					return kind.name(from, to)
				},
			}
			err := s.write(path, []byte("new"), 0o640, nil)
			if want := end < 3; errors.Is(err, errPower) != want || !want && err != nil {
				t.Errorf("%s, end at step %d: %v", name, end, err)
			}
			if order := []string{"content", "name", "folder"}[:end]; strings.Join(done, " ") != strings.Join(order, " ") {
				t.Errorf("%s, end at step %d: the steps were %v", name, end, done)
			}
			want := old
			if end >= 2 {
				want = "new"
			}
			if got, err := os.ReadFile(path); string(got) != want || err != nil && want != "" {
				t.Errorf("%s, end at step %d: the path names %q: %v", name, end, got, err)
			}
			if left, err := filepath.Glob(filepath.Join(dir, ".new-*")); err != nil || len(left) > 0 {
				t.Errorf("%s, end at step %d: files are left: %v, %v", name, end, left, err)
			}
		}
	}
}

func TestFileHasExactlyItsPermissionsAndOwner(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	for _, perm := range []fs.FileMode{0o600, 0o666, 0o400} { // whatever the umask is, and what was there before
		if err := WriteFile(path, []byte("content"), perm); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode() != perm {
			t.Errorf("the mode is %v, not %v: %v", info.Mode(), perm, err)
		}
	}
	who := Owner{os.Getuid(), os.Getgid()}
	if os.Getuid() == 0 {
		who = Owner{1234, 4321}
	}
	if err := WriteFileOf(who, path, nil, 0o640); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	stat := info.Sys().(*syscall.Stat_t)
	if (Owner{int(stat.Uid), int(stat.Gid)}) != who || info.Mode() != 0o640 {
		t.Errorf("the file is %d:%d's with mode %v", stat.Uid, stat.Gid, info.Mode())
	}
}

func TestLinkIsReplacedAndNotWhatItLeadsTo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	target, path := filepath.Join(dir, "target"), filepath.Join(dir, "link")
	if err := errors.Join(os.WriteFile(target, []byte("theirs"), 0o600), os.Symlink(target, path)); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(path, []byte("ours"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(target); string(got) != "theirs" {
		t.Errorf("the target holds %q: %v", got, err)
	}
	if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
		t.Errorf("the link is %v: %v", info, err)
	}
}

func TestErrorNamesThePath(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	taken := filepath.Join(dir, "taken")
	if err := os.WriteFile(taken, []byte("first"), 0o600); err != nil {
		t.Fatal(err)
	}
	full := filepath.Join(dir, "folder")
	if err := os.MkdirAll(filepath.Join(full, "within"), 0o700); err != nil {
		t.Fatal(err)
	}
	gone := filepath.Join(dir, "gone", "file")
	for what, c := range map[string]struct {
		err  error
		is   error
		path string
	}{
		"no folder":        {WriteFile(gone, nil, 0o600), fs.ErrNotExist, gone},
		"no folder, new":   {NewFile(gone, nil, 0o600), fs.ErrNotExist, gone},
		"taken":            {NewFile(taken, []byte("second"), 0o600), fs.ErrExist, taken},
		"a folder's place": {WriteFile(full, nil, 0o600), nil, full},
		"sync of none":     {SyncFolder(filepath.Dir(gone)), fs.ErrNotExist, filepath.Dir(gone)},
	} {
		if c.err == nil || c.is != nil && !errors.Is(c.err, c.is) || !strings.Contains(c.err.Error(), c.path) {
			t.Errorf("%s: %v", what, c.err)
		}
	}
	if got, err := os.ReadFile(taken); string(got) != "first" {
		t.Errorf("the file that was there holds %q: %v", got, err)
	}
	if os.Getuid() != 0 { // root writes where others may not
		if err := os.Chmod(dir, 0o500); err != nil {
			t.Fatal(err)
		}
		if err := WriteFile(taken, nil, 0o600); !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), taken) {
			t.Errorf("in a folder that can't be written: %v", err)
		}
	}
}
