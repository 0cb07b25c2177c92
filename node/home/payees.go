package home

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts/disk"
	"byway/contracts/text"
)

// Payees reads the providers that money was ever set aside for in this home.
func (h Home) Payees() ([]common.Address, error) {
	file, err := os.ReadFile(h.Path("payees"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var list []common.Address
	for line := range strings.FieldsSeq(string(file)) {
		if !common.IsHexAddress(line) {
			return nil, fmt.Errorf("%s: %q is no address: mend or remove the line", h.Path("payees"), text.Line(line))
		}
		list = append(list, common.HexToAddress(line))
	}
	return list, nil
}

// AddPayee remembers a provider before money is set aside for it, so that no reserve is ever forgotten: the ledger
// knows a channel only once a session was paid on it.
func (h Home) AddPayee(payee common.Address) error {
	list, err := h.Payees()
	if err != nil || slices.Contains(list, payee) {
		return err
	}
	var b bytes.Buffer
	for _, a := range append(list, payee) {
		fmt.Fprintln(&b, a)
	}
	return disk.WriteFile(h.Path("payees"), b.Bytes(), 0o600)
}
