package ipfs

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/libp2p/go-libp2p/core/crypto"

	"byway/contracts/disk"
)

// maxKeyFile bounds what is read of a host key file; an Ed25519 key takes 93 bytes.
const maxKeyFile = 1024

// LoadKey reads a host key file, or makes a fresh Ed25519 key and its file where there is none. The file is one line:
// the base64 of libp2p's own encoding of a private key, as in the PrivKey field of an IPFS configuration. It is made
// readable by its owner only, and is on the disk, directory entry and all, when LoadKey returns.
func LoadKey(path string) (crypto.PrivKey, error) {
	key, err := readKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	key, _, err = crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate host key: %w", err)
	}
	if err := writeKey(path, key); errors.Is(err, fs.ErrExist) {
		return readKey(path) // another process was first; its key is the node's
	} else if err != nil {
		return nil, fmt.Errorf("make host key: %w", err)
	}
	return key, nil
}

func readKey(path string) (crypto.PrivKey, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read host key: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read host key %s: %w", path, err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("host key %s is not a file; name a file that holds the key or does not exist yet", path)
	}
	// Reading by the group stays allowed, since secrets mounted into a container come that way.
	if info.Mode().Perm()&0o027 != 0 {
		return nil, fmt.Errorf("host key %s is open to other users (mode %04o); run: chmod 600 %s",
			path, info.Mode().Perm(), path)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err != nil {
		return nil, fmt.Errorf("read host key %s: %w", path, err)
	}
	key, err := decodeKey(text)
	if err != nil {
		return nil, fmt.Errorf("host key %s: %w; restore it from a backup, or move it away for the node to make "+
			"a new one (its offers must then be signed again)", path, err)
	}
	return key, nil
}

// decodeKey reads the content of a host key file.
func decodeKey(text []byte) (crypto.PrivKey, error) {
	if len(text) > maxKeyFile {
		return nil, fmt.Errorf("more than %d bytes, which is no host key", maxKeyFile)
	}
	text = bytes.TrimSpace(text)
	if len(text) == 0 {
		return nil, errors.New("the file is empty")
	}
	raw := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Strict().Decode(raw, text)
	if err != nil {
		// The base64 error gives an offset only; nothing of the file may get into a message.
		return nil, fmt.Errorf("not base64: %w", err)
	}
	key, err := crypto.UnmarshalPrivateKey(raw[:n])
	if err != nil {
		return nil, errors.New("not a libp2p private key")
	}
	if key.Type() != crypto.Ed25519 {
		return nil, fmt.Errorf("key is of type %s, want Ed25519", key.Type())
	}
	return key, nil
}

func encodeKey(key crypto.PrivKey) ([]byte, error) {
	raw, err := crypto.MarshalPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return append([]byte(base64.StdEncoding.EncodeToString(raw)), '\n'), nil
}

// writeKey makes the file in one step, and fails with fs.ErrExist instead of replacing a key that is there.
func writeKey(path string, key crypto.PrivKey) error {
	text, err := encodeKey(key)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return disk.NewFile(path, text, 0o600)
}
