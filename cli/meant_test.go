package cli

import (
	"io"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

// slips are what a hand makes of a word: each letter left out, doubled, mistaken, and swapped with the next.
func slips(word string) (list []string) {
	for i := range word {
		list = append(list, word[:i]+word[i+1:], word[:i+1]+word[i:], word[:i]+"~"+word[i+1:])
		if i+1 < len(word) && word[i] != word[i+1] {
			list = append(list, word[:i]+word[i+1:i+2]+word[i:i+1]+word[i+2:])
		}
	}
	return list
}

// Every command and flag is found again after one slip of the hand, unless another one is as near.
func TestOneTypoFindsTheWordThatWasMeant(t *testing.T) {
	t.Parallel()
	app := newApp(Streams{Out: io.Discard, Err: io.Discard})
	tried := 0
	check := func(path, dashes, word string, known []string) {
		for _, slip := range slips(word) {
			if slip == "" || strings.Trim(slip, "-~") == "" {
				continue
			}
			others, itself := 0, false
			for _, k := range known {
				itself = itself || k == slip
				if k != word && typos(slip, k) <= 1 {
					others++
				}
			}
			if itself || len(slip) < 2 {
				continue // another word, or none
			}
			args := append([]string{"byway"}, strings.Fields(path)...)
			_, err := arrange(app, append(args, dashes+slip))
			found := err != nil && strings.Contains(err.Error(), ", did you mean "+word+"?")
			if tried++; !found && others == 0 {
				t.Errorf("byway %s %s%s, %s was meant: %v", path, dashes, slip, word, err)
			}
		}
	}
	var walk func(path string, commands []*cli.Command)
	walk = func(path string, commands []*cli.Command) {
		for _, c := range commands {
			check(path, "", c.Name, commandNames(commands))
			name := strings.TrimSpace(path + " " + c.Name)
			if flags := append(flagNames(app.Flags), flagNames(c.Flags)...); len(c.Subcommands) == 0 {
				for _, flag := range flags {
					check(name, "--", flag, append(flags, "help"))
				}
			}
			walk(name, c.Subcommands)
		}
	}
	walk("", app.Commands)
	if tried < 1000 {
		t.Errorf("only %d slips were tried", tried)
	}
}

func TestNoWordIsGuessedWhereNoneIsNear(t *testing.T) {
	t.Parallel()
	known := []string{"connect", "disconnect", "status", "tx", "price", "proxy", "proxy-auth"}
	for typed, want := range map[string]string{
		"conect": "connect", "STATSU": "status", "stat": "status", "disc": "disconnect", "xt": "tx", "foo": "", "pr": "", "": "",
		"c": "", "proxi": "proxy", "prize": "price", "proxy-a": "proxy-auth", strings.Repeat("connect", 1<<16): "",
	} {
		if got := nearest(typed, known); got != want {
			t.Errorf("%.20q was taken for %q, want %q", typed, got, want)
		}
	}
}
