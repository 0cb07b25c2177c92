package api

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/windows"
)

// Windows keeps the folder of a user's own files for that user by its access list; a token in the home stands for the
// credentials that its sockets do not tell.

func firstOf(list string) string { return list }

func servicePlaces() []place { return nil }

func userPlaces(int) []place {
	dir, err := os.UserCacheDir()
	if err != nil {
		return nil
	}
	return []place{{dir: filepath.Join(dir, "byway-run"), make: true, own: true}}
}

func placesOf(int) []place { return nil }

func (p place) ready() error {
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return err
	}
	return p.trusted("")
}

func (p place) trusted(string) error {
	info, err := os.Lstat(p.dir)
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is no folder, so no socket is put there: remove it", p.dir)
	}
	return err
}

func giveSocket(string, string) error { return nil }

func ownerOf(string) (int, error) { return 0, errors.ErrUnsupported }

func refusedHere(err error) bool { return errors.Is(err, windows.WSAECONNREFUSED) }
