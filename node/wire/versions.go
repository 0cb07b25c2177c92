package wire

import (
	"errors"
	"fmt"
	"slices"
)

// Versions are the versions of the session protocol that a program speaks, From and To included.
type Versions struct {
	From uint16 `cbor:"1,keyasint"`
	To   uint16 `cbor:"2,keyasint"`
}

// Spoken are the versions that this program speaks over [SessionProtocol].
func Spoken() Versions { return Versions{From: 2, To: 2} }

func (v Versions) check() error {
	if v.From == 0 || v.To < v.From {
		return fmt.Errorf("versions %d to %d are none", v.From, v.To)
	}
	return nil
}

// Has reports whether a version is among them.
func (v Versions) Has(version uint16) bool { return v.From <= version && version <= v.To }

// Common is the highest version that both a provider, who speaks v, and a consumer speak. The error is a
// [*RefusalError] that says which of the two must be updated.
func (v Versions) Common(consumer Versions) (uint16, error) {
	highest := min(v.To, consumer.To)
	if v.Has(highest) && consumer.Has(highest) {
		return highest, nil
	}
	behind := "the provider must be updated, or another one chosen"
	if consumer.To < v.From {
		behind = "update the consumer"
	}
	return 0, &RefusalError{Code: RefusedVersion, Versions: v, Reason: fmt.Sprintf(
		"the provider speaks versions %d to %d of the session protocol, the consumer %d to %d: %s", v.From, v.To,
		consumer.From, consumer.To, behind)}
}

// The bounds of extensions: how many, and how long the body of one may be, in bytes.
const (
	maxExtensions    = 8
	maxExtensionBody = 1 << 10
)

// Extension lets a later program add to a frame: see the package's table of kinds.
type Extension struct {
	Kind     uint16 `cbor:"1,keyasint"`
	Critical bool   `cbor:"2,keyasint,omitempty"` // whoever does not speak it must not go on
	Body     []byte `cbor:"3,keyasint,omitempty"`
}

// Extensions are those of one frame, their kinds strictly ascending.
type Extensions []Extension

// KindElsewhere is the extension of a Hello whose account can send no transaction. It has no body.
const KindElsewhere = 4

// Has reports whether one of that kind is among them.
func (list Extensions) Has(kind uint16) bool {
	return slices.ContainsFunc(list, func(e Extension) bool { return e.Kind == kind })
}

// reserved names the kinds that are assigned and not spoken yet.
var reserved = map[uint16]string{1: "hops", 2: "reachability", 3: "leases"}

func (list Extensions) check() error {
	if len(list) > maxExtensions {
		return fmt.Errorf("%d extensions, %d are the most", len(list), maxExtensions)
	}
	for i, e := range list {
		if len(e.Body) > maxExtensionBody {
			return fmt.Errorf("extension %d has %d bytes, %d are the most", e.Kind, len(e.Body), maxExtensionBody)
		}
		if i > 0 && e.Kind <= list[i-1].Kind {
			return errors.New("the kinds of extensions do not ascend")
		}
	}
	return nil
}

// understood says which of the extensions is critical and not spoken by this program.
func (list Extensions) understood() error {
	for _, e := range list {
		if !e.Critical || e.Kind == KindElsewhere {
			continue
		}
		name := reserved[e.Kind]
		if name == "" {
			name = "not known"
		}
		return fmt.Errorf("extension %d (%s) is critical, and not spoken here", e.Kind, name)
	}
	return nil
}
