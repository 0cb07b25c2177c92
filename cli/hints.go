package cli

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"syscall"

	"github.com/ethereum/go-ethereum/common"
	"github.com/urfave/cli/v2"

	"byway/contracts"
	"byway/contracts/chain"
	"byway/contracts/deploy"
	"byway/contracts/disk"
	"byway/node"
	"byway/node/account"
	"byway/node/api"
	"byway/node/connection"
	"byway/node/home"
	"byway/node/offer"
	"byway/node/path"
	"byway/node/provide"
	"byway/node/vault"
	"byway/node/wire"
	"byway/payments/claim"
	"byway/tunnel/route"
)

// The packages below this one state facts. What to type next is added here, by the kind of the error.

// plain is an error in words for people, which say what to do; what it stands for decides the exit code.
type plain struct {
	text  string
	cause error
}

func plainly(cause error, format string, args ...any) error {
	return &plain{fmt.Sprintf(format, args...), cause}
}

func (e *plain) Error() string { return e.text }

// Unwrap returns the error that the words stand for.
func (e *plain) Unwrap() error { return e.cause }

// hinted is what an error says, with what to do next behind each fact that there is a hint for.
func hinted(err error) string {
	text := err.Error()
	for _, fact := range hintedFacts(err) {
		said, next := fact.Error(), hint(fact)
		switch {
		case strings.Contains(text, next): // it was said before
		case strings.Contains(text, said):
			text = strings.Replace(text, said, said+next, 1)
		default: // whoever wrapped it has put it in other words
			text += next
		}
	}
	return text
}

// hintedFacts are the outermost errors of a tree that there is a hint for. What is said plainly needs none.
func hintedFacts(err error) []error {
	if err == nil {
		return nil
	}
	if hint(err) != "" {
		return []error{err}
	}
	switch wraps := any(err).(type) {
	case *plain:
		return nil
	case interface{ Unwrap() error }:
		return hintedFacts(wraps.Unwrap())
	case interface{ Unwrap() []error }:
		var list []error
		for _, one := range wraps.Unwrap() {
			list = append(list, hintedFacts(one)...)
		}
		return list
	}
	return nil
}

// sentinels has the hints for errors that carry nothing, in words that go on from theirs.
var sentinels = map[error]string{
	api.ErrNotRunning:    ": start one with byway provider up or byway connect, or name its --home",
	errNoFolder:          ": name the node's folder with --home",
	home.ErrNoAccount:    ": make one with byway account new",
	home.ErrLocked:       ": give its password, on a terminal or with --password-file",
	home.ErrPassword:     ": byway account restore makes the account again from its phrase, in another --home",
	home.ErrTaken:        ": use another --home for another one",
	home.ErrNoNetwork:    ": `byway devnet up --write FILE` makes one",
	home.ErrCold:         ": print the transaction with --unsigned, sign it where the key is, and send it with byway tx submit",
	vault.ErrNothingFree: ": byway channel list shows what is set aside for providers",
	vault.ErrNoReserve:   ": byway vault withdraw takes out what is free",
	offer.ErrNoStake:     ": byway provider offer retire begins it",
	route.ErrLockdown: ", as connect --lockdown asked: byway unlock opens it, byway connect --tun goes through a new " +
		"session",
	route.ErrCapability: ": sudo byway …, or --cap-add NET_ADMIN for the container",
	route.ErrNoTUN:      ": load it with modprobe tun, or hand it to the container with --device /dev/net/tun",
}

// overAPI is an error of a daemon's as the error of the rooms that it was there, as far as the hints tell those apart.
func overAPI(e *api.Error) error {
	said := func(name string) bool { return e.Details[name] == "true" }
	switch e.Code {
	case api.ErrLocked:
		return home.ErrLocked
	case api.ErrPassword:
		return home.ErrPassword
	case api.ErrCold:
		return home.ErrCold
	case api.ErrNoAccount:
		return home.ErrNoAccount
	case api.ErrNothingFree:
		return vault.ErrNothingFree
	case api.ErrNoReserve:
		return vault.ErrNoReserve
	case api.ErrLockdown:
		return route.ErrLockdown
	case api.ErrCapability:
		return route.ErrCapability
	case api.ErrNoTUN:
		return route.ErrNoTUN
	case api.ErrInUse:
		return &home.InUseError{}
	case api.ErrPending:
		return &account.PendingError{}
	case api.ErrExiting:
		return &vault.ExitingError{Provider: common.HexToAddress(e.Details["provider"])}
	case api.ErrEarly:
		return &vault.EarlyError{}
	case api.ErrHost:
		return &provide.HostError{}
	case api.ErrNewcomer:
		return &path.ColdNewcomerError{Payee: common.HexToAddress(e.Details["payee"]), Missing: e.Details["missing"]}
	case api.ErrOffence:
		return &path.OffenceError{OneWayUDP: said("one_way_udp")}
	case api.ErrShut:
		return &path.ShutError{Shut: route.Shut{Lockdown: said("lockdown")}}
	case api.ErrUndone:
		return &route.UndoneError{Shut: said("shut")}
	case api.ErrRelease:
		return &route.VersionError{}
	case api.ErrMismatch:
		return &deploy.MismatchError{}
	case api.ErrFunds:
		if e.Details["free"] != "" {
			return &vault.FreeError{}
		}
	case api.ErrRequest:
		if said("unreachable") {
			return &provide.UnreachableError{Host: said("host")}
		}
	case api.ErrConflict:
		switch {
		case said("both"):
			return &node.BothError{}
		case said("standing"):
			return &node.StandingError{}
		}
	case api.ErrRefused:
		code, _ := strconv.Atoi(e.Details["refusal"])
		need, _ := contracts.ParseAmount(e.Details["need"])
		return &wire.RefusalError{Code: wire.RefusalCode(code), Need: need}
	}
	return nil
}

// hint is what can be done about this very error, whatever it wraps, in words that go on from its own; empty where there is
// nothing to say.
func hint(err error) string {
	this := any(err) // and not what it wraps
	switch e := this.(type) {
	case *api.Error:
		if there := overAPI(e); there != nil {
			return hint(there)
		}
	case *node.BothError:
		return ": byway disconnect, or byway provider down, ends the one"
	case *node.StandingError:
		return ": byway disconnect ends it"
	case *disk.ExposedError:
		return ": make sure that nobody has used it, and give it back to its owner alone: chown, chmod 600; a session.key may " +
			"be removed, the next password makes it again"
	case *home.ForeignError:
		return ": run it as that user, without sudo, or give this one a home of its own with --home"
	case *home.InUseError:
		return ": stop it, or use another --home"
	case *account.PendingError:
		return ": wait for them, or see byway status for what is wrong with the chain"
	case *vault.ExitingError:
		return fmt.Sprintf(": byway channel exit %s --cancel takes it back", e.Provider)
	case *vault.FreeError:
		return ": what is set aside for providers comes back with byway channel exit, see byway channel list"
	case *vault.EarlyError:
		return ": --wait waits for it"
	case *provide.HostError:
		return ": byway provider offer host says here what byway provider offer sign --host needs there"
	case *provide.UnreachableError:
		if e.Host {
			return ": give --host-listen an address that consumers reach, as /ip4/0.0.0.0/udp/4001/quic-v1"
		}
		return ": give --listen an address that consumers reach, or --endpoint the one that leads to it"
	case *path.ColdNewcomerError:
		return fmt.Sprintf(": byway channel open %s %s --unsigned prints the transaction to be signed, byway tx submit sends it",
			e.Payee, e.Missing)
	case *path.OffenceError:
		if !e.OneWayUDP {
			return ", with --one-way-udp if a program was listening to a UDP stream that it seldom answers, such as RTP or IPTV"
		}
	case *path.ShutError:
		if e.Lockdown {
			return ": open it with byway unlock, or go on through a new session with byway connect --tun"
		}
		return ": open it with byway unlock or byway disconnect, or go on through a new session with byway connect --tun"
	case *wire.RefusalError:
		switch {
		case e.Code == wire.RefusedClock:
			return " (byway status tells of the endpoints)"
		case e.Code == wire.RefusedNewcomer && !e.Need.IsZero():
			return " (byway channel open makes it)"
		}
	case *route.UndoneError:
		if e.Shut {
			return ": byway unlock opens this machine"
		}
		return ": byway unlock undoes the rest"
	case *route.VersionError:
		return ": run byway unlock of the release that wrote it"
	case *deploy.MismatchError:
		return "; check the address and the RPC endpoint, use the byway version that the network runs, or deploy this " +
			"version's contracts with `byway contracts deploy`"
	}
	for sentinel, next := range sentinels {
		if this == any(sentinel) {
			return next
		}
	}
	return ""
}

// notUp adds to a daemon's error of a devnet's chain how the devnet is started.
func (e env) notUp(c *cli.Context, err error) error {
	if network, loadErr := e.network(c); loadErr == nil {
		return notUp(network, err)
	}
	return err
}

// notUp adds to an error of a devnet's chain how the devnet is started.
func notUp(n home.Network, err error) error {
	var missing *deploy.MismatchError
	switch {
	case err == nil || !n.Private:
		return err
	case errors.Is(err, syscall.ECONNREFUSED), errors.As(err, new(*api.Error)) && strings.Contains(err.Error(), "connection refused"):
		return fmt.Errorf("%w: start the devnet with byway devnet up", err)
	case errors.As(err, &missing):
		by := ""
		if out := (*chain.LeftOutError)(nil); errors.As(err, &out) {
			by = "endpoint " + out.URL + ": "
		}
		return plainly(err, "%s%s at %s on chain %d %s: if the chain was started anew, byway devnet up, with --rpc and "+
			"--funder-key for it, puts the contracts there; else give another endpoint", by, missing.Contract, missing.Address,
			missing.ChainID, missing.Reason)
	}
	return err
}

// hintedLeft says why something is not claimed, and what would have it claimed.
func hintedLeft(why string, lacks claim.Lacks) string {
	switch lacks {
	case claim.LacksPrice:
		return why + ": set --gas-price"
	case claim.LacksFloor:
		return why + ": set --gas-price or --claim-floor, or claim by hand"
	}
	return why
}

// hintedRule says by which rule claims are made, and which flags would make it a better one.
func hintedRule(rule string, lacks claim.Lacks) string {
	switch lacks {
	case claim.LacksPrice:
		return strings.Replace(rule, ": ", " (--gas-price): ", 1)
	case claim.LacksFloor:
		return strings.Replace(rule, ": ", " (--gas-price, or --claim-floor): ", 1)
	}
	return rule
}

// hintedReason says what can be done about what a connection waits for.
func hintedReason(code string) string {
	switch connection.Reason(code) {
	case connection.SessionBudget:
		return ": byway spend AMOUNT lets it cost more"
	case connection.DayBudget, connection.MonthBudget:
		return ": byway connect with a higher --day or --month lets it cost more"
	case connection.Locked:
		return ": byway account unlock opens it"
	case connection.Funds:
		return ": byway account balance shows what is there"
	}
	return ""
}
