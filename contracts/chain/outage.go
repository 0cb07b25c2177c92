package chain

import "errors"

// OutageError says that the chain could not be asked, or that what it said can't be used now: a failure of endpoints,
// which passes, and not of the one who asked. What a [Client] can't read is one, and a [Follower] waits it out also where
// its handler returns it.
type OutageError struct {
	What string // that was to be done
	Err  error
}

// Error implements error.
func (e *OutageError) Error() string {
	if e.What == "" {
		return e.Err.Error()
	}
	return e.What + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *OutageError) Unwrap() error { return e.Err }

// Outage marks an error as an outage: for answers of the chain that whoever asked can't use. Nil stays nil.
func Outage(err error) error {
	if err == nil {
		return nil
	}
	return &OutageError{Err: err}
}

// IsOutage reports whether an error is an outage, and nothing else is the matter: where it joins several, each must be.
func IsOutage(err error) bool {
	for err != nil {
		if _, ok := err.(*OutageError); ok { //nolint:errorlint // each layer is looked at in turn
			return true
		}
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			all := joined.Unwrap()
			for _, e := range all {
				if !IsOutage(e) {
					return false
				}
			}
			return len(all) > 0
		}
		err = errors.Unwrap(err)
	}
	return false
}
