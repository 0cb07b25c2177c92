package token

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts/chain"
	"byway/contracts/disk"
	"byway/node/home"
)

// memory is token.json: how a home that was online once shows amounts when it is not.
type memory struct {
	ChainID uint64         `json:"chain_id"`
	Address common.Address `json:"address"`
	Token
}

// Remember reads the network's token from the chain, and from the home while the chain is down.
func Remember(ctx context.Context, client *chain.Client, n home.Network, home *home.Home) (Token, error) {
	down := client.Down()
	if down != nil {
		down = fmt.Errorf("dial chain: %w", down)
	}
	if down == nil {
		token, err := At(ctx, client, n.Token)
		switch {
		case err == nil && home == nil:
			return token, nil
		case err == nil:
			return token, Save(*home, n, token)
		case !chain.IsOutage(errors.Unwrap(err)):
			return token, err
		}
		down = err
	}
	if home == nil {
		return Token{}, down
	}
	token, err := Recall(n, *home)
	switch {
	case errors.Is(err, errNotRemembered):
		return Token{}, down
	case err != nil:
		return Token{}, errors.Join(down, err)
	}
	return token, nil
}

// View does as [Remember] for who only looks, and writes nothing: the home may be another process's, or read-only.
func View(ctx context.Context, client *chain.Client, n home.Network, home home.Home) (Token, error) {
	down := client.Down()
	if down == nil {
		token, err := At(ctx, client, n.Token)
		if err == nil || ctx.Err() == nil && !chain.IsOutage(errors.Unwrap(err)) {
			return token, err
		}
		down = err
	} else {
		down = fmt.Errorf("dial chain: %w", down)
	}
	token, err := Recall(n, home)
	if errors.Is(err, errNotRemembered) {
		return token, down
	}
	if err != nil {
		return token, errors.Join(down, err)
	}
	return token, nil
}

// errNotRemembered says that a home has never read the network's token.
var errNotRemembered = errors.New("the home does not know the token")

// Recall reads the network's token from the home.
func Recall(n home.Network, folder home.Home) (Token, error) {
	path := folder.Path(tokenFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Token{}, errNotRemembered
	}
	var r memory
	if err == nil {
		err = home.DecodeJSON(text, &r)
	}
	if err != nil {
		return Token{}, fmt.Errorf("read %s: %w; delete it, the chain tells it again", path, err)
	}
	if r.ChainID != n.ChainID || r.Address != n.Token {
		return Token{}, errNotRemembered
	}
	return r.Token, nil
}

// Save writes token.json where it says something else.
func Save(folder home.Home, n home.Network, token Token) error {
	r := memory{n.ChainID, n.Token, token}
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if old, err := os.ReadFile(folder.Path(tokenFile)); err == nil && string(old) == string(text) {
		return nil
	}
	return disk.WriteFile(folder.Path(tokenFile), text, 0o600)
}

const tokenFile = "token.json"
