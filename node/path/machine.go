package path

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"sync/atomic"

	"byway/contracts/text"
	"byway/tunnel/route"
)

// What of a machine goes through a session with [Config.Hold].
const (
	MachineWhole    = "whole"
	MachineSplit    = "split"    // but for some prefixes
	MachinePrograms = "programs" // only programs that are put inside
)

// Machine says what of the machine goes through the session; it is empty where single programs use it as a proxy.
func (s *Session) Machine() string {
	if s.consumer.hold == nil {
		return ""
	}
	switch m := s.consumer.hold.cfg; {
	case m.OnlyPrograms:
		return MachinePrograms
	case len(m.Include)+len(m.Exclude) > 0:
		return MachineSplit
	}
	return MachineWhole
}

// Blocked says by what the machine's traffic is kept from the session, or was until it was put right a moment ago; empty
// while all is well, and where single programs use it as a proxy.
func (s *Session) Blocked() string {
	if s.consumer.hold == nil {
		return ""
	}
	return s.consumer.hold.Trouble()
}

// Hold is a consumer's hold of the machine that goes through its sessions.
//
// Who gains by an end decides what it does. A provider that stops, a deposit that is used up, a chain that is gone: if
// they opened the machine, then whoever can bring them about could have its traffic in the clear, while its user is away
// and believes it covered. So only the user's own end opens what a session has carried. Before the first session nothing
// was sent through anybody: a connect that comes to nothing leaves the machine as it was found, open where its user had
// it open a moment ago, and shut where an earlier session had left it shut, also on Ctrl-C, which takes back this attempt
// and no more.
type Hold struct {
	*route.Routes
	cfg     route.Config
	iface   string
	found   *route.Shut // how the machine was found; nil: open
	carried atomic.Bool // it was sent through a session, or was about to be
}

// heldTunnel is the tunnel that a machine goes through.
type heldTunnel struct {
	carrier
	hold *Hold
	link route.Link
}

// Close ends the tunnel. The machine is told first: that its interface is gone is no attack on it.
func (t *heldTunnel) Close() error { return errors.Join(t.hold.Down(t.link), t.carrier.Close()) }

// End lets go of the machine. reason is why the session has ended; empty where its user ended it.
func (h *Hold) End(reason string) error {
	switch {
	case h == nil:
		return nil
	case h.carried.Load() && reason != "":
		return h.Abandon(reason)
	case !h.carried.Load() && h.found != nil:
		return h.Abandon(h.found.Reason)
	}
	return h.Close()
}

// ShutError says that this machine is shut, and that nothing of it can be reached.
type ShutError struct{ route.Shut }

func (e *ShutError) Error() string {
	return "this machine is shut since " + e.Since.Local().Format("2006-01-02 15:04:05") + ", because " + text.Line(e.Reason)
}

// InspectMachine says whether a session that has ended, or was killed, has left this machine shut, and why; nil where
// none has, and while one holds it. Every user may ask.
func InspectMachine() (*ShutError, error) { return inspect("") }

func inspect(stateDir string) (*ShutError, error) {
	shut, err := route.Inspect(stateDir)
	if err != nil || shut == nil || shut.Held {
		return nil, err
	}
	return &ShutError{*shut}, nil
}

// LockMachine shuts the kill switch where the whole machine is to go through the tunnel, before anything else is done.
// The node's own connections go past it from then on, see [Hold.Dialer]. Without cfg the machine is not this consumer's to
// hold, and is left as it is: who asks for a proxy has not asked for the machine to be opened. The hold is nil then.
func LockMachine(ctx context.Context, cfg *route.Config, log *slog.Logger) (*Hold, error) {
	if cfg == nil {
		shut, err := InspectMachine()
		if err != nil {
			log.Warn("whether this machine is shut is not known", "error", err)
		}
		if shut != nil {
			return nil, shut
		}
		return nil, nil
	}
	machine := *cfg
	if err := route.Check(ctx, machine); err != nil {
		return nil, err
	}
	h := &Hold{cfg: machine, iface: cmp.Or(machine.Interface, route.DefaultInterface)}
	shut, err := inspect(machine.StateDir)
	if err != nil {
		return nil, err
	}
	if shut != nil {
		h.found = &shut.Shut
		machine.Lockdown = machine.Lockdown || shut.Lockdown // until byway unlock, whoever comes in between
	}
	h.Routes, err = route.Lock(ctx, machine)
	if err != nil {
		return nil, err
	}
	return h, nil
}

// Dialer opens the node's own connections past the tunnel; nil without a hold.
func (h *Hold) Dialer() *net.Dialer {
	if h == nil {
		return nil
	}
	return &net.Dialer{Timeout: dialTimeout, Control: route.Control, Resolver: h.Resolver()}
}

// RecoverMachine gives the machine back where a session with a [Hold] has left it shut: it is the user's
// own end of what has ended otherwise. It reports whether there was anything. A machine that was to stay locked is
// [route.ErrLockdown]; one that is not this user's to open is a [*ShutError].
func RecoverMachine() (restored bool, err error) {
	if route.Capable() != nil {
		shut, err := InspectMachine()
		if shut != nil {
			err = shut
		}
		return false, err
	}
	restored, err = route.Recover("")
	if errors.Is(err, route.ErrInUse) { // another home's session, through which this one then goes
		return false, nil
	}
	return restored, err
}
