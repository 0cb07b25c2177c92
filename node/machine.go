package node

import (
	"errors"
	"fmt"
	"os"

	"byway/tunnel/route"
)

// What of a machine goes through a session with [ConsumerConfig.Machine].
const (
	MachineWhole    = "whole"
	MachineSplit    = "split"    // but for some prefixes
	MachinePrograms = "programs" // only programs that are put inside
)

// Machine says what of the machine goes through the session; it is empty where single programs use it as a proxy.
func (s *Session) Machine() string {
	switch m := s.consumer.cfg.Machine; {
	case m == nil:
		return ""
	case m.OnlyPrograms:
		return MachinePrograms
	case len(m.Include)+len(m.Exclude) > 0:
		return MachineSplit
	}
	return MachineWhole
}

// RecoverMachine gives the machine back where a killed consumer with [ConsumerConfig.Machine] has left it locked: behind
// its kill switch nobody could be reached. It reports whether there was anything. A machine that was to stay locked is
// an error that says how it is opened.
func RecoverMachine() (restored bool, err error) {
	if os.Geteuid() != 0 {
		return false, nil // only root's daemon can have left anything, and only root can take it back
	}
	restored, err = route.Recover("")
	switch {
	case errors.Is(err, route.ErrInUse): // another home's session, through which this one then goes
		return false, nil
	case errors.Is(err, route.ErrLockdown):
		err = fmt.Errorf("%w, as connect --lockdown asked: byway unlock opens it, "+
			"byway connect --tun goes through a new session", err)
	}
	return restored, err
}
