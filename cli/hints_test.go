package cli

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/urfave/cli/v2"

	"byway/contracts"
	"byway/contracts/deploy"
	"byway/contracts/disk"
	"byway/node/account"
	"byway/node/api"
	"byway/node/home"
	"byway/node/offer"
	"byway/node/path"
	"byway/node/provide"
	"byway/node/vault"
	"byway/node/wire"
	"byway/payments/claim"
	"byway/tunnel/route"
)

func TestEachKindOfErrorHasItsHint(t *testing.T) {
	t.Parallel()
	who := common.Address{1}
	newcomer := &wire.RefusalError{Code: wire.RefusedNewcomer, Need: contracts.NewAmount(77)}
	for _, c := range []struct {
		err  error
		want string
	}{
		{api.ErrNotRunning, "byway provider up or byway connect"},
		{errNoFolder, "--home"},
		{home.ErrNoAccount, "byway account new"},
		{home.ErrTaken, "--home"},
		{home.ErrLocked, "--password-file"},
		{home.ErrPassword, "byway account restore"},
		{&disk.ExposedError{Path: "x", Why: "has mode 0644"}, "chmod 600"},
		{home.ErrNoNetwork, "byway devnet up --write FILE"},
		{home.ErrCold, "--unsigned, sign it where the key is, and send it with byway tx submit"},
		{&home.ForeignError{Dir: "x", Owner: 1}, "without sudo, or give this one a home of its own with --home"},
		{&home.InUseError{Dir: "x"}, "another --home"},
		{&account.PendingError{Transactions: 1}, "byway status"},
		{vault.ErrNothingFree, "byway channel list"},
		{vault.ErrNoReserve, "byway vault withdraw"},
		{&vault.ExitingError{Provider: who}, "byway channel exit " + who.Hex() + " --cancel"},
		{&vault.FreeError{Free: "1", Wanted: "2"}, "byway channel exit, see byway channel list"},
		{&vault.EarlyError{}, "--wait"},
		{offer.ErrNoStake, "byway provider offer retire"},
		{&provide.HostError{}, "byway provider offer sign --host"},
		{newcomer, "byway channel open"},
		{&wire.RefusalError{Code: wire.RefusedNewcomer}, ""},
		{&wire.RefusalError{Code: wire.RefusedClock}, "byway status"},
		{&wire.RefusalError{Code: wire.RefusedBusy}, ""},
		{&provide.UnreachableError{}, "--endpoint"},
		{&provide.UnreachableError{Host: true}, "--host-listen"},
		{&path.ColdNewcomerError{Refused: newcomer, Payee: who, Missing: "0.5"}, "byway channel open " + who.Hex() + " 0.5 --unsigned"},
		{&path.OffenceError{Err: errors.New("many")}, "--one-way-udp"},
		{&path.OffenceError{Err: errors.New("many"), OneWayUDP: true}, ""},
		{&path.ShutError{}, "byway unlock or byway disconnect"},
		{&path.ShutError{Shut: route.Shut{Lockdown: true}}, "byway unlock, or go on"},
		{route.ErrLockdown, "as connect --lockdown asked: byway unlock opens it"},
		{route.ErrCapability, "sudo byway …"},
		{route.ErrNoTUN, "modprobe tun"},
		{&route.UndoneError{Err: errors.New("broken"), Shut: true}, "byway unlock opens this machine"},
		{&route.UndoneError{Err: errors.New("broken")}, "byway unlock undoes the rest"},
		{&route.VersionError{}, "byway unlock of the release that wrote it"},
		{&deploy.MismatchError{Reason: "is not there"}, "byway contracts deploy"},
		{errors.New("other"), ""},
	} {
		fact := c.err.Error()
		if namesCommand().MatchString(fact) {
			t.Errorf("%T: %q names a command itself", c.err, fact)
		}
		next := hint(c.err)
		if !strings.Contains(next, c.want) || (c.want == "") != (next == "") {
			t.Errorf("%T %v: hint %q", c.err, c.err, next)
		}
		// It stands behind the fact, once, whatever is around it; what is said plainly is left alone.
		wrapped := fmt.Errorf("look: %w: later", usageError{errors.Join(errors.New("first"), c.err, c.err)})
		if got, want := hinted(wrapped), "look: first\n"+fact+next+"\n"+fact+": later"; got != want {
			t.Errorf("%q, not %q", got, want)
		}
		if got := hinted(plainly(c.err, "%v: do that", c.err)); got != fact+": do that" {
			t.Errorf("said plainly: %q", got)
		}
	}
	for _, lacks := range []claim.Lacks{"", claim.LacksPrice, claim.LacksFloor} {
		left := hintedLeft("dust", lacks)
		rule := hintedRule("not known: much is claimed", lacks)
		for flag, want := range map[string]bool{"--gas-price": lacks != "", "--claim-floor": lacks == claim.LacksFloor} {
			if strings.Contains(left, flag) != want || strings.Contains(rule, flag) != want {
				t.Errorf("%q: %q, %q", lacks, left, rule)
			}
		}
	}
}

// notCommands are literals of libraries that look like a command line and are none.
var notCommands = map[string]bool{
	"byway devnet meeting point": true, // what the devnet's bootstrap key is made of
}

// namesCommand matches what names one of the program's commands or flags.
func namesCommand() *regexp.Regexp {
	app := newApp(Streams{})
	var names, flags []string
	note := func(list []cli.Flag) {
		for _, f := range list {
			flags = append(flags, f.Names()...)
		}
	}
	var collect func([]*cli.Command)
	collect = func(list []*cli.Command) {
		for _, c := range list {
			note(c.Flags)
			collect(c.Subcommands)
		}
	}
	note(app.Flags)
	collect(app.Commands)
	for _, c := range app.Commands {
		names = append(names, c.Name)
	}
	return regexp.MustCompile(`\bbyway (` + strings.Join(names, "|") + `)\b|--(` + strings.Join(flags, "|") + `)\b`)
}

// TestLibrariesNameNoCommand: the packages below this one state facts, and this one says what to type.
func TestLibrariesNameNoCommand(t *testing.T) {
	t.Parallel()
	command := namesCommand()
	for _, p := range listPackages(t) {
		if within(p.ImportPath, "byway/cli") {
			continue
		}
		files, err := filepath.Glob(filepath.Join(p.Dir, "*.go")) // for other systems, too
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			set := token.NewFileSet()
			f, err := parser.ParseFile(set, name, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(f, func(n ast.Node) bool {
				lit, is := n.(*ast.BasicLit)
				if !is || lit.Kind != token.STRING {
					return true
				}
				text, err := strconv.Unquote(lit.Value)
				if err != nil {
					t.Fatal(err)
				}
				if found := command.FindString(text); found != "" && !notCommands[text] {
					t.Errorf("%s: %q names %q: that is for package cli to say", set.Position(lit.Pos()), text, found)
				}
				return true
			})
		}
	}
}
