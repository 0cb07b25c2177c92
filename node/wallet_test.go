package node_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"byway/contracts/chain"
	"byway/node/vault"
)

// startLiar serves a chain's JSON-RPC and tells the truth about everything but what calls of a contract return: there it
// adds one to the last digit, as an endpoint would that wants a provider to believe in money that is not there.
func startLiar(t *testing.T, upstream, contract string) string {
	t.Helper()
	type message struct {
		Version string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id"`
		Method  string          `json:"method,omitempty"`
		Params  json.RawMessage `json:"params,omitempty"`
		Result  json.RawMessage `json:"result,omitempty"`
		Error   json.RawMessage `json:"error,omitempty"`
	}
	lies := func(m message) bool {
		return m.Method == "eth_call" && bytes.Contains(bytes.ToLower(m.Params), []byte(strings.ToLower(contract[2:])))
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		if err != nil {
			return
		}
		answer, err := http.Post(upstream, "application/json", bytes.NewReader(body))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer answer.Body.Close()
		said, err := io.ReadAll(answer.Body)
		if err != nil {
			return
		}
		var asked, told message
		if json.Unmarshal(body, &asked) == nil && lies(asked) && json.Unmarshal(said, &told) == nil {
			if n := len(told.Result); n > 4 {
				told.Result[n-2] = "1032547698badcfe"[strings.IndexByte("0123456789abcdef", told.Result[n-2])]
			}
			if said, err = json.Marshal(told); err != nil {
				return
			}
		}
		w.Header().Set("Content-Type", "application/json")
		w.Write(said)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// TestLyingEndpointIsNamedAndNothingIsDecided: of two endpoints that contradict each other neither is believed, and of
// three the two that agree are.
func TestLyingEndpointIsNamedAndNothingIsDecided(t *testing.T) {
	t.Parallel()
	m := startMarket(t, marketConfig{})
	check(t, m.consumer.Close())
	honest := m.Network.RPC[0]
	liar := startLiar(t, honest, m.Network.Channels.Hex())

	open := func(rpc ...string) *vault.Wallet {
		t.Helper()
		n := m.Network
		n.RPC = rpc
		w, err := vault.Open(m.ctx, vault.Config{
			Home: m.cfg.Home, Network: n, Owner: m.cfg.Key.Address(), Session: m.cfg.Session.Address(),
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { check(t, w.Close()) })
		return w
	}
	provider := m.offer().Offer.Payee
	for _, rpc := range [][]string{{honest, liar}, {liar, honest}} {
		w := open(rpc...)
		_, err := w.Channel(m.ctx, provider)
		var disagree *chain.DisagreementError
		if !errors.As(err, &disagree) || !strings.Contains(err.Error(), liar) || !strings.Contains(err.Error(), honest) {
			t.Errorf("two endpoints that contradict each other gave %v", err)
		}
		if _, err := w.Withdraw(m.ctx, nil, m.cfg.Key.Address()); !errors.As(err, &disagree) {
			t.Errorf("a withdrawal was decided on a lie: %v", err)
		}
	}
	c, err := open(liar, honest, honest+"/").Channel(m.ctx, provider)
	if err != nil || c.Ceiling != tokens("1") {
		t.Errorf("two honest endpoints and a liar gave %+v, %v", c, err)
	}
}
