package chain

import (
	"net"
	"testing"

	"byway/contracts/devchain"
)

func TestLazyDialWaitsForAnEndpointThatIsDown(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + l.Addr().String()
	l.Close()
	if _, err := Dial(t.Context(), Config{URLs: []string{url}, Lazy: true}); err == nil {
		t.Error("dialled a chain that nobody named")
	}
	c, err := Dial(t.Context(), Config{URLs: []string{url}, ChainID: devchain.ChainID, Lazy: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.Down() == nil || c.ChainID() != devchain.ChainID {
		t.Errorf("down: %v, chain %d", c.Down(), c.ChainID())
	}
	up, err := devchain.Start(devchain.Config{HTTP: l.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	defer up.Close()
	if _, err := c.Head(t.Context()); err != nil || c.Down() != nil {
		t.Errorf("once it is up: %v, down: %v", err, c.Down())
	}
}
