package api

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// nobody is a user who owns nothing here.
const nobody = 65534

// asNobody runs a function in a thread that is another user's: the kernel keeps the credentials of each thread apart.
func asNobody(t *testing.T, do func() error) error {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can be another user")
	}
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESGID, nobody, nobody, nobody); errno != 0 {
			done <- errno
			return
		}
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, nobody, nobody, nobody); errno != 0 {
			done <- errno
			return
		}
		done <- do()
	}()
	select {
	case err := <-done:
		return err
	case <-time.After(time.Minute):
		return errors.New("nothing has come of it within a minute")
	}
}

// dialAsNobody connects to a socket as another user does.
func dialAsNobody(t *testing.T, path string) (net.Conn, error) {
	t.Helper()
	var conn net.Conn
	err := asNobody(t, func() error {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		if err := unix.Connect(fd, &unix.SockaddrUnix{Name: path}); err != nil {
			return err
		}
		dup, err := unix.Dup(fd)
		if err != nil {
			return err
		}
		file := os.NewFile(uintptr(dup), path)
		defer file.Close()
		conn, err = net.FileConn(file)
		return err
	})
	return conn, err
}

func TestAdversaryAnotherUserIsNotAnswered(t *testing.T) {
	t.Parallel()
	d := serve(t)
	path := d.server.Path()
	if conn, err := dialAsNobody(t, path); !errors.Is(err, os.ErrPermission) {
		if err == nil {
			conn.Close()
		}
		t.Errorf("another user connects: %v", err)
	}
	// Somebody has opened the socket to all: who calls is known all the same.
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, send := range map[string]struct{ method, path, body string }{
		"asks":    {"GET", "/v2/status", ""},
		"spends":  {"POST", "/v2/connection", `{"spend":"5"}`},
		"opens":   {"POST", "/v2/door", ""},
		"listens": {"GET", "/v2/events", ""},
		"guesses": {"GET", "/nothing", ""},
	} {
		conn, err := dialAsNobody(t, path)
		if err != nil {
			t.Fatal(err)
		}
		client, err := newClient(d.home.Dir(), func(context.Context) (net.Conn, error) { return conn, nil })
		if err != nil {
			t.Fatal(err)
		}
		r, err := http.NewRequestWithContext(t.Context(), send.method, "http://byway"+send.path, strings.NewReader(send.body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		_, err = client.do(r)
		var said *Error
		if !errors.Is(err, ErrForbidden) || !errors.As(err, &said) || said.Status != http.StatusForbidden {
			t.Errorf("another user who %s: %v", name, err)
		}
		client.Close()
		conn.Close()
	}
	if len(d.fake.wants) != 0 {
		t.Errorf("what came through: %+v", d.fake.wants)
	}
	t.Logf("adversary: another user at the socket | bound: neither its mode nor, open to all, its credentials let it in | seen: 403")
}

func TestAdversaryASocketIsPutWhereNobodyElseCan(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can be another user")
	}
	folder := lockedHome(t)
	elsewhere := runDir(t)
	if err := os.Mkdir(elsewhere, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, prepare := range map[string]func(dir string) error{
		"a link to a good folder": func(dir string) error { return os.Symlink(elsewhere, dir) },
		"a link to nothing":       func(dir string) error { return os.Symlink(filepath.Join(elsewhere, "nothing"), dir) },
		"a file":                  func(dir string) error { return os.WriteFile(dir, nil, 0o600) },
		"another user's folder": func(dir string) error {
			return errors.Join(os.Mkdir(dir, 0o700), os.Chown(dir, nobody, nobody))
		},
		"a folder for all":        func(dir string) error { return errors.Join(os.Mkdir(dir, 0o700), os.Chmod(dir, 0o777)) },
		"a sticky folder for all": func(dir string) error { return errors.Join(os.Mkdir(dir, 0o700), os.Chmod(dir, 0o777|os.ModeSticky)) },
		"a folder of a group":     func(dir string) error { return errors.Join(os.Mkdir(dir, 0o700), os.Chmod(dir, 0o770)) },
		"a folder to be read":     func(dir string) error { return errors.Join(os.Mkdir(dir, 0o700), os.Chmod(dir, 0o755)) },
	} {
		dir := runDir(t)
		if err := prepare(dir); err != nil {
			t.Fatal(err)
		}
		places := []place{{dir: dir, make: true, own: true}, {dir: elsewhere, make: true, own: true}}
		if l, path, err := listenSocket(t.Context(), folder, places); err == nil {
			l.Close()
			t.Errorf("%s: listens at %s", name, path)
		} else {
			t.Logf("adversary: in the place of the sockets' folder %s | bound: refused | seen: %v", name, err)
		}
		if strings.HasPrefix(name, "a link to nothing") || name == "a file" {
			continue
		}
		// Nor is what listens there told anything.
		l, err := net.Listen("unix", filepath.Join(dir, socketNames(folder.Dir())[0]))
		if err != nil {
			t.Fatal(err)
		}
		if conn, err := dialSocket(t.Context(), folder.Dir(), places[:1]); !errors.Is(err, ErrForbidden) {
			if err == nil {
				conn.Close()
			}
			t.Errorf("%s: dialled: %v", name, err)
		}
		l.Close()
	}
}

func TestAdversaryAnImpostorIsToldNothing(t *testing.T) {
	t.Parallel()
	folder := lockedHome(t)
	dir := runDir(t)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{filepath.Dir(dir), dir} {
		if err := os.Chmod(d, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, socketNames(folder.Dir())[0])
	var fd int
	if err := asNobody(t, func() (err error) {
		if fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
			return err
		}
		return unix.Listen(fd, 8)
	}); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := os.Chmod(dir, 0o700); err != nil { // the folder was put right, too late
		t.Fatal(err)
	}
	conn, err := dialSocket(t.Context(), folder.Dir(), []place{{dir: dir, own: true}})
	if !errors.Is(err, ErrForbidden) {
		if err == nil {
			conn.Close()
		}
		t.Errorf("got %v", err)
	}
	// And it is not taken for what a killed daemon has left.
	if l, _, err := listenSocket(t.Context(), folder, []place{{dir: dir, own: true}}); err == nil {
		l.Close()
		t.Error("it was replaced while it answers")
	}
	t.Logf("adversary: another user's program at the daemon's socket | bound: it is told nothing | seen: %v", err)
}

func TestADaemonIsFoundByWhoCannotReadItsHome(t *testing.T) {
	t.Parallel()
	d := serve(t)
	client, err := DialDir(d.home.Dir())
	if err != nil {
		t.Fatal(err)
	}
	client.Close()
	// Another user learns that it is there, and no more.
	err = asNobody(t, func() error {
		_, err := dialSocket(t.Context(), d.home.Dir(), []place{{dir: filepath.Dir(d.server.Path()), shared: true}})
		return err
	})
	if !errors.Is(err, ErrForbidden) {
		t.Errorf("another user: %v", err)
	}
}

func TestADaemonIsFoundWhereverItsUserWasLoggedInFrom(t *testing.T) {
	d := serve(t)
	for _, runtimeDir := range []string{"", "/nowhere", "relative"} {
		t.Setenv("XDG_RUNTIME_DIR", runtimeDir)
		dirs := map[string]bool{}
		for _, p := range dialPlaces(d.home.Dir()) {
			dirs[p.dir] = true
		}
		if uid := os.Geteuid(); uid == 0 && !dirs["/run/byway"] || uid != 0 && !dirs[filepath.Join("/run/user", strconv.Itoa(uid), "byway")] {
			t.Errorf("with XDG_RUNTIME_DIR=%s the places are %v", runtimeDir, dirs)
		}
		if client, err := Dial(d.home); err != nil {
			t.Errorf("with XDG_RUNTIME_DIR=%s: %v", runtimeDir, err)
		} else {
			client.Close()
		}
	}
	if os.Geteuid() != 0 {
		return
	}
	// Root asks the daemon of another user, where that user's daemons listen.
	if err := os.Chown(d.home.Dir(), nobody, nobody); err != nil {
		t.Fatal(err)
	}
	want := filepath.Join("/run/user", strconv.Itoa(nobody), "byway")
	for _, p := range dialPlaces(d.home.Dir()) {
		if p.dir == want {
			return
		}
	}
	t.Errorf("root does not look in %s", want)
}
