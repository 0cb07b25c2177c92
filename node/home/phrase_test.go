package home

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"byway/contracts/devchain"
)

// TestPhrasesAreThoseOfBIP39 uses vectors of BIP-39's reference implementation (trezor/python-mnemonic).
func TestPhrasesAreThoseOfBIP39(t *testing.T) {
	t.Parallel()
	for entropy, want := range map[string]string{
		"00000000000000000000000000000000":                                 strings.Repeat("abandon ", 11) + "about",
		"7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f":                                 "legal winner thank year wave sausage worth useful legal winner thank yellow",
		"ffffffffffffffffffffffffffffffff":                                 strings.Repeat("zoo ", 11) + "wrong",
		"0000000000000000000000000000000000000000000000000000000000000000": strings.Repeat("abandon ", 23) + "art",
		"68a79eaca2324873eacc50cb9c6eca8cc68ea5d936f98787c60c7ebc74e6ce7c": "hamster diagram private dutch cause delay " +
			"private meat slide toddler razor book happy fancy gospel tennis maple dilemma loan word shrug inflict delay length",
	} {
		raw, err := hex.DecodeString(entropy)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(phraseOf(raw).words, " "); got != want {
			t.Errorf("%s: %q, want %q", entropy, got, want)
		}
		parsed, err := ParsePhrase("  " + strings.ToUpper(want) + "\n")
		if err != nil || strings.Join(parsed.words, " ") != want {
			t.Errorf("%q was read as %v, %v", want, parsed.words, err)
		}
	}
	// The published list, byte for byte.
	const list = "2f5eed53a4727b4bf8880d8f3f199efc90e58503646d9ff8eff3a2ed3b24dbda"
	if sum := sha256.Sum256([]byte(wordList)); hex.EncodeToString(sum[:]) != list {
		t.Errorf("the word list has SHA-256 %x", sum)
	}
}

func TestPhraseOpensTheAccountThatEveryWalletDerives(t *testing.T) {
	t.Parallel()
	p, err := ParsePhrase(devchain.Mnemonic)
	if err != nil {
		t.Fatal(err)
	}
	owner, session, err := p.keys()
	if err != nil {
		t.Fatal(err)
	}
	if want := devchain.Account(0).Address(); owner.Address() != want {
		t.Errorf("account %s, want %s", owner, want)
	}
	for i := range 10 {
		if session.Address() == devchain.Account(i).Address() {
			t.Error("the session key is one of the account's own branch")
		}
	}
	for _, text := range []string{fmt.Sprint(p), fmt.Sprintf("%v %+v %#v %s", p, p, p, p)} {
		if strings.Contains(text, "junk") {
			t.Errorf("a phrase prints as %q", text)
		}
	}
}

func TestWrongPhrasesAreNamedAndRefused(t *testing.T) {
	t.Parallel()
	good := NewPhrase().Reveal()
	for text, want := range map[string]string{
		"":                             "not 0",
		strings.Join(good[:11], " "):   "not 11",
		strings.Repeat("abandon ", 12): "do not belong together",
		strings.Repeat("abandon ", 11) + "abouts": `word 12, "abouts"`,
		strings.Repeat("x", 600):                  "longer",
	} {
		if _, err := ParsePhrase(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q gave %v, want %q", text, err, want)
		}
	}
}

func TestRestoredHomeHasTheKeysOfTheLostOne(t *testing.T) {
	t.Parallel()
	phrase := NewPhrase()
	lost, again := testHome(t), testHome(t)
	if _, err := lost.RestoreAccount(phrase, "one", Light); err != nil {
		t.Fatal(err)
	}
	if _, err := again.RestoreAccount(phrase, "two", Light); err != nil {
		t.Fatal(err)
	}
	owner, session, err := lost.Accounts()
	if err != nil {
		t.Fatal(err)
	}
	owner2, session2, err := again.Accounts()
	if err != nil || owner != owner2 || session != session2 || owner == session {
		t.Errorf("%s and %s came back as %s and %s, %v", owner, session, owner2, session2, err)
	}
	if _, err := again.RestoreAccount(phrase, "two", Light); err == nil {
		t.Error("an account was overwritten")
	}
}

func TestColdHomeHoldsNoKeyOfTheAccount(t *testing.T) {
	t.Parallel()
	home := testHome(t)
	account := devchain.Account(3).Address()
	if err := home.NewColdAccount(account, "secret", Light); err != nil {
		t.Fatal(err)
	}
	owner, session, err := home.Unlock("secret")
	if err != nil {
		t.Fatal(err)
	}
	if owner.Address() != account || session.Address() == account {
		t.Errorf("unlocked %s and %s", owner.Address(), session.Address())
	}
	if _, err := owner.SignDigest([32]byte{1}); !errors.Is(err, ErrCold) {
		t.Errorf("a cold account signed: %v", err)
	}
	if _, err := home.NewAccount("x", Light); err == nil {
		t.Error("a cold account was overwritten")
	}
}

func FuzzParsePhrase(f *testing.F) {
	f.Add(devchain.Mnemonic)
	f.Add(strings.Repeat("zoo ", 11) + "wrong")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParsePhrase(text)
		if err != nil {
			return
		}
		again, err := ParsePhrase(strings.Join(p.Reveal(), " "))
		if err != nil || !bytes.Equal([]byte(strings.Join(again.words, " ")), []byte(strings.Join(p.words, " "))) {
			t.Fatalf("%q does not read back: %v", text, err)
		}
	})
}
