package dialer

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
)

// Failure sorts what can go wrong with a dial into what proxies can tell.
type Failure int

const (
	FailGeneral Failure = iota
	FailDenied
	FailRefused
	FailHost
	FailNet
	FailTimeout
	FailName
)

func Classify(err error) Failure {
	var name *net.DNSError
	var timeout net.Error
	switch {
	case errors.Is(err, ErrDenied):
		return FailDenied
	case errors.Is(err, syscall.ECONNREFUSED):
		return FailRefused
	case errors.As(err, &name):
		if name.IsTimeout {
			return FailTimeout
		}
		return FailName
	case errors.Is(err, syscall.EHOSTUNREACH):
		return FailHost
	case errors.Is(err, syscall.ENETUNREACH):
		return FailNet
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded),
		errors.Is(err, syscall.ETIMEDOUT), errors.As(err, &timeout) && timeout.Timeout():
		return FailTimeout
	}
	return FailGeneral
}
