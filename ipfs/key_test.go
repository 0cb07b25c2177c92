package ipfs

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/libp2p/go-libp2p/core/crypto"
)

func TestLoadKeyMakesAKeyOnceAndReadsItAgain(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "node", "host.key")
	var wg sync.WaitGroup
	keys := make([]crypto.PrivKey, 8)
	for i := range keys {
		wg.Go(func() {
			key, err := LoadKey(path)
			if err != nil {
				t.Error(err)
			}
			keys[i] = key
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	for _, key := range keys {
		if !key.Equals(keys[0]) {
			t.Fatal("two callers got different keys")
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v, want 0600", info.Mode(), err)
	}
	if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 1 {
		t.Errorf("%d files are left beside the key", len(entries)-1)
	}
}

func TestUnusableHostKeyIsNamedWithTheNextStep(t *testing.T) {
	t.Parallel()
	rsa, _, err := crypto.GenerateKeyPairWithReader(crypto.Secp256k1, 0, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other, err := encodeKey(rsa)
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		text []byte
		mode os.FileMode
		want string
	}{
		"garbage":      {[]byte("%%%"), 0o600, "not base64"},
		"empty":        {nil, 0o600, "empty"},
		"no key":       {[]byte("AAAA"), 0o600, "not a libp2p private key"},
		"huge":         {bytes.Repeat([]byte("A"), 1<<20), 0o600, "more than"},
		"another type": {other, 0o600, "want Ed25519"},
		"open to all":  {[]byte("AAAA"), 0o644, "chmod 600"},
	} {
		path := filepath.Join(t.TempDir(), "host.key")
		if err := os.WriteFile(path, tc.text, tc.mode); err != nil {
			t.Fatal(err)
		}
		_, err := LoadKey(path)
		if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v, want an error with the path and %q", name, err, tc.want)
		}
		if after, _ := os.ReadFile(path); !bytes.Equal(after, tc.text) {
			t.Errorf("%s: the file was changed", name)
		}
	}
	if _, err := LoadKey(t.TempDir()); err == nil || !strings.Contains(err.Error(), "not a file") {
		t.Errorf("a folder gives %v", err)
	}
}

func FuzzDecodeKey(f *testing.F) {
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	good, err := encodeKey(key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte("CAESQ"))
	f.Add([]byte(base64.StdEncoding.EncodeToString([]byte{8, 1, 18, 64})))
	f.Fuzz(func(t *testing.T, text []byte) {
		key, err := decodeKey(text)
		if err != nil {
			return
		}
		again, err := encodeKey(key)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := decodeKey(again); err != nil || !back.Equals(key) {
			t.Fatalf("a key that was read does not survive writing: %v", err)
		}
	})
}
