package cli

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/urfave/cli/v2"

	"byway/contracts"
)

func funderFlag() cli.Flag {
	return &cli.StringFlag{Name: "funder-key", EnvVars: []string{"BYWAY_FUNDER_KEY"},
		Usage: "`KEY` that has gas on the chain of --rpc: hexadecimal, or a file that holds it; test chains only"}
}

// funderKey reads --funder-key; nil where it is not given.
func funderKey(c *cli.Context) (*contracts.Key, error) {
	value := c.String("funder-key")
	if value == "" {
		return nil, nil
	}
	text := value
	if f, err := os.Open(value); err == nil {
		defer f.Close()
		b, err := io.ReadAll(io.LimitReader(f, 256))
		if err != nil {
			return nil, fmt.Errorf("funder key: %w", err)
		}
		text = string(b)
	}
	private, err := crypto.HexToECDSA(strings.TrimPrefix(strings.TrimSpace(text), "0x"))
	if err != nil {
		// The error of the parser could show a part of the key.
		return nil, usagef("--funder-key is neither a file nor a private key of 64 hexadecimal digits")
	}
	key := contracts.NewKey(private)
	return &key, nil
}

// ownChain reads --rpc and --funder-key, which go together: the chain to use in place of an embedded one, if any.
func ownChain(c *cli.Context) (rpc []string, key *contracts.Key, err error) {
	if key, err = funderKey(c); err != nil {
		return nil, nil, err
	}
	switch rpc = c.StringSlice("rpc"); {
	case len(rpc) > 0 && key == nil:
		return nil, nil, usagef("--rpc (or BYWAY_RPC) needs --funder-key: a key that has gas on that chain")
	case len(rpc) == 0 && key != nil:
		return nil, nil, usagef("--funder-key goes with --rpc: the embedded chain has funded keys of its own")
	}
	return rpc, key, nil
}
