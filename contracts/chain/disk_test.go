package chain

import (
	"errors"
	"math/big"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"byway/contracts/devchain"
	"byway/contracts/disk/faultdisk"
)

// What a sender has promised to remember, its journal has after a power cut: at any step the transaction is sent
// exactly once.
func TestPowerCutAtAnyStepSendsExactlyOnce(t *testing.T) {
	t.Parallel()
	node := startChain(t, devchain.Config{Accounts: 50})
	c := dial(t, node.URL())
	account := 0
	for _, step := range []string{"signed", "recorded", "broadcast", "mined", "settled"} {
		for round := range 6 {
			key := devchain.Account(account)
			account++
			dir := t.TempDir()
			disk := faultdisk.New(t, dir)
			j, err := openJournal(filepath.Join(dir, "journal.db"), faultdisk.VFS)
			if err != nil {
				t.Fatal(err)
			}
			s := sender(t, SenderConfig{Client: c, Journal: j, Signer: key})
			if _, err := s.Send(t.Context(), payment("before")); err != nil {
				t.Fatal(err)
			}
			s.hook = func(at string) error {
				if at == step {
					return errCrash
				}
				return nil
			}
			if _, err := s.Send(t.Context(), payment("one")); !errors.Is(err, errCrash) {
				t.Fatalf("%s: no crash: %v", step, err)
			}
			left := t.TempDir()
			disk.Cut(t, left, rand.New(rand.NewPCG(uint64(round), 7)))
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
			s = sender(t, SenderConfig{Client: c, Journal: journal(t, filepath.Join(left, "journal.db")), Signer: key})
			if err := s.Resume(t.Context()); err != nil {
				t.Fatalf("%s: %v", step, err)
			}
			for _, id := range []string{"before", "one"} {
				if _, err := s.Send(t.Context(), payment(id)); err != nil {
					t.Fatalf("%s: %v", step, err)
				}
			}
			if n := nonceOf(t, c, key.Address()); n != 2 {
				t.Errorf("power cut when it was %s: %d transactions were mined, not 2", step, n)
			}
		}
	}
	if b := balance(t, c, target); b.Cmp(big.NewInt(int64(account)*2)) != 0 {
		t.Errorf("the target got %s of %d", b, account*2)
	}
}

func TestFailingDiskSendsNothingThatIsNotRecorded(t *testing.T) {
	t.Parallel()
	node := startChain(t, devchain.Config{Accounts: 50})
	c := dial(t, node.URL())
	account := 0
	for name, order := range map[string]faultdisk.Fault{
		"full": faultdisk.FailFull, "read-only": faultdisk.FailReadOnly, "before": faultdisk.FailBefore,
		"after": faultdisk.FailAfter,
	} {
		for at := 1; at <= 5; at++ {
			key := devchain.Account(account)
			account++
			dir := t.TempDir()
			path := filepath.Join(dir, "journal.db")
			disk := faultdisk.New(t, dir)
			j, err := openJournal(path, faultdisk.VFS)
			if err != nil {
				t.Fatal(err)
			}
			s := sender(t, SenderConfig{Client: c, Journal: j, Signer: key})
			from := 0
			s.hook = func(step string) error {
				if step == "signed" {
					from = disk.Calls() + at
					disk.SetFail(func(call int) faultdisk.Fault {
						if call >= from {
							return order
						}
						return faultdisk.Healthy
					})
				}
				return nil
			}
			_, err = s.Send(t.Context(), payment("one"))
			if err != nil && (!strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "the disk")) {
				t.Errorf("%s at %d: the error names no file, or nothing to do: %v", name, at, err)
			}
			if at == 1 {
				if n := nonceOf(t, c, key.Address()); err == nil || n != 0 {
					t.Errorf("%s: %d transactions were sent that are not recorded: %v", name, n, err)
				}
				t.Log(err)
			}
			// With room again it is sent, and only once.
			disk.SetFail(nil)
			s.hook = func(string) error { return nil }
			if _, err := s.Send(t.Context(), payment("one")); err != nil {
				t.Fatalf("%s at %d: %v", name, at, err)
			}
			if n := nonceOf(t, c, key.Address()); n != 1 {
				t.Errorf("%s at %d: %d transactions were mined", name, at, n)
			}
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestJournalThatCanNotBeWrittenIsNamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "journal.db")
	j := journal(t, path)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o700); err != nil { // which not even root can write
		t.Fatal(err)
	}
	if _, err := OpenJournal(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("the error does not name the file: %v", err)
	}
}
