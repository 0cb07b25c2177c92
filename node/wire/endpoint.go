package wire

import (
	"fmt"
	"strings"
)

// TransportUDP carries WireGuard's datagrams as they are. Its address is "address:port", and it has no parameters.
const TransportUDP = "udp"

// MaxEndpoints is how many endpoints a Welcome may name.
const MaxEndpoints = 8

// The bounds of one, in bytes.
const (
	maxTransport  = 16
	maxAddress    = 256
	maxParameters = 256
)

// Endpoint is a way to a provider's WireGuard. What address and parameters mean is the transport's to say; a consumer
// passes over transports that it does not speak.
type Endpoint struct {
	Transport  string `cbor:"1,keyasint"` // of a-z, 0-9 and -
	Address    string `cbor:"2,keyasint"`
	Parameters []byte `cbor:"3,keyasint,omitempty"`
}

func (e Endpoint) check() error {
	if e.Transport == "" || len(e.Transport) > maxTransport ||
		strings.Trim(e.Transport, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return fmt.Errorf("%.32q is no transport's name", e.Transport)
	}
	if len(e.Address) > maxAddress || len(e.Parameters) > maxParameters {
		return fmt.Errorf("an address of %d bytes with %d of parameters, %d and %d are the most", len(e.Address),
			len(e.Parameters), maxAddress, maxParameters)
	}
	return nil
}
