package api

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"byway/node/home"
)

// The socket of a home has a name that only the home's gives, in a folder where nobody else can put one:
//
//	$RUNTIME_DIRECTORY       where a service manager gives one
//	/run/byway               for root
//	$XDG_RUNTIME_DIR/byway   for a user who is logged in
//	/tmp/byway-UID           else; mode 0700
//
// It is never in the home itself, whose path can be longer than the 107 bytes of a socket's.

// maxSocket is how long a socket's path may be, in bytes: sockaddr_un of the narrowest system, with its zero.
const maxSocket = 103

// place is a folder for sockets, and how it must look.
type place struct {
	dir  string
	make bool // where it is missing
	own  bool // it is this user's alone: mode 0700
	// shared says that only root can have made it, perhaps for a service of another user.
	shared bool
}

// listenPlaces are the folders that a daemon of this user listens in, the first that there can be.
func listenPlaces() []place {
	var list []place
	if dir := firstOf(os.Getenv("RUNTIME_DIRECTORY")); filepath.IsAbs(dir) {
		list = append(list, place{dir: dir})
	}
	return append(list, userPlaces(os.Geteuid())...)
}

// dialPlaces are the folders that the daemon of a home may listen in, seen by another process: the caller's own, also where
// it was logged in when the daemon began and is not now, those of services, and those of the home's owner.
func dialPlaces(dir string) []place {
	list := append(listenPlaces(), servicePlaces()...)
	list = append(list, placesOf(os.Geteuid())...)
	if owner, err := ownerOf(dir); err == nil && owner != os.Geteuid() {
		list = append(list, placesOf(owner)...)
	}
	return list
}

// socketNames are the names that a home's socket may have: that of the folder where its links lead, and that of the path as
// it was given, for who cannot follow them. A daemon takes the first.
func socketNames(dir string) []string {
	name := func(dir string) string {
		sum := sha256.Sum256([]byte(dir))
		return fmt.Sprintf("%x.sock", sum[:8])
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil && real != dir {
		return []string{name(real), name(dir)}
	}
	return []string{name(dir)}
}

// listenSocket takes the socket of a home, whose lock this process holds. What a daemon that was killed left there is
// replaced, and nothing else: a socket that answers is [*home.InUseError].
func listenSocket(ctx context.Context, folder home.Home, places []place) (*net.UnixListener, string, error) {
	if err := lockHeld(folder); err != nil {
		return nil, "", err
	}
	name := socketNames(folder.Dir())[0]
	var tried error
	for _, p := range places {
		err := p.ready()
		if err == nil && len(filepath.Join(p.dir, name)) > maxSocket {
			err = fmt.Errorf("%s is too long a name for a socket's folder", p.dir)
		}
		switch {
		case p.shared && err != nil:
			tried = errors.Join(tried, err) // It is root's to say whose that is.
			continue
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
			tried = errors.Join(tried, err) // It is not to be had; nobody has put it there.
			continue
		case err != nil:
			return nil, "", err
		}
		path := filepath.Join(p.dir, name)
		if err := clearSocket(folder, path); err != nil {
			return nil, "", err
		}
		listener, err := (&net.ListenConfig{}).Listen(ctx, "unix", path)
		if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
			tried = errors.Join(tried, err)
			continue
		}
		if err != nil {
			return nil, "", err
		}
		if err := giveSocket(path, folder.Dir()); err != nil {
			return nil, "", errors.Join(err, listener.Close())
		}
		return listener.(*net.UnixListener), path, nil
	}
	return nil, "", fmt.Errorf("there is no folder for the socket of %s: %w", folder.Dir(), tried)
}

// lockHeld makes sure that some process holds the lock of a home; the caller says that it is this one.
func lockHeld(folder home.Home) error {
	unlock, err := folder.Lock()
	var held *home.InUseError
	switch {
	case errors.As(err, &held):
		return nil
	case err != nil:
		return err
	}
	return errors.Join(fmt.Errorf("%s is served without its lock", folder.Dir()), unlock())
}

// clearSocket removes what a daemon that was killed has left.
func clearSocket(folder home.Home, path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type()&(fs.ModeSocket|fs.ModeIrregular) == 0 {
		return fmt.Errorf("%s is no socket: remove it", path)
	}
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		conn.Close()
		return &home.InUseError{Dir: folder.Dir()}
	}
	if !errors.Is(err, syscall.ECONNREFUSED) && !refusedHere(err) {
		return fmt.Errorf("what listens at %s is not known: %w", path, err)
	}
	return os.Remove(path)
}

// dialSocket connects to the daemon of a home: [ErrNotRunning] where nobody listens, [ErrForbidden] where it is another
// user's. It speaks only to a daemon of the home's owner, of this user or of root.
func dialSocket(ctx context.Context, dir string, places []place) (net.Conn, error) {
	var refused error
	for _, p := range places {
		for _, name := range socketNames(dir) {
			path := filepath.Join(p.dir, name)
			if len(path) > maxSocket {
				continue
			}
			conn, err := dialPath(ctx, path)
			switch {
			case err == nil:
				err := p.trusted(dir)
				if err == nil {
					err = trustedPeer(conn.(*net.UnixConn), dir)
				}
				if err == nil {
					return conn, nil
				}
				conn.Close()
				refused = errors.Join(refused, err)
			case ctx.Err() != nil:
				return nil, ctx.Err()
			case errors.Is(err, fs.ErrPermission):
				refused = errors.Join(refused, fmt.Errorf("%s: %w", path, ErrForbidden))
			}
		}
	}
	if refused != nil {
		return nil, &Error{
			Code: ErrForbidden, Status: ErrForbidden.Status(),
			Message: fmt.Sprintf("the daemon on %s is another user's: %v", dir, refused),
		}
	}
	return nil, fmt.Errorf("%s: %w", dir, ErrNotRunning)
}

// dialPath connects to one socket. A daemon whose queue is full for a moment is waited for.
func dialPath(ctx context.Context, path string) (net.Conn, error) {
	end := time.Now().Add(queuePatience)
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
		if !errors.Is(err, syscall.EAGAIN) || time.Now().After(end) {
			return conn, err
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

const queuePatience = 5 * time.Second

// trustedPeer makes sure that the daemon at the other end is the home's owner's, this user's or root's: it may be told a
// password.
func trustedPeer(conn *net.UnixConn, dir string) error {
	if !peersTold {
		return nil
	}
	uid, err := peerOf(conn)
	if err != nil {
		return err
	}
	if owner, err := ownerOf(dir); uid == os.Geteuid() || uid == 0 || err == nil && uid == owner {
		return nil
	}
	return fmt.Errorf("what listens at %s is user %d's", conn.RemoteAddr(), uid)
}
