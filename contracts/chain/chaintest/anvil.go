package chaintest

import (
	"bufio"
	"cmp"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Anvil runs anvil until the test ends and returns where it answers. It is $ANVIL or the one that npm installs, as seen from
// a folder of contracts; without either the test is skipped.
func Anvil(t *testing.T, args ...string) (url string) {
	t.Helper()
	binary, err := filepath.Abs(cmp.Or(os.Getenv("ANVIL"), "../node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil"))
	if err == nil {
		_, err = os.Stat(binary)
	}
	if err != nil {
		if os.Getenv("ANVIL") != "" {
			t.Fatal(err)
		}
		t.Skipf("anvil is not installed (%v): make -C contracts test installs it", err)
	}
	cmd := exec.CommandContext(t.Context(), binary, append([]string{"--port", "0"}, args...)...)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if address, ok := strings.CutPrefix(lines.Text(), "Listening on "); ok {
			drained := make(chan struct{})
			go func() { // what else it says is nobody's, and must not stop it
				defer close(drained)
				for lines.Scan() {
				}
			}()
			t.Cleanup(func() { _ = cmd.Process.Kill(); <-drained; _ = cmd.Wait() })
			return "http://" + address
		}
	}
	_ = cmd.Process.Kill()
	t.Fatalf("anvil ends without listening: %v", errors.Join(lines.Err(), cmd.Wait()))
	return ""
}
