package cli

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"byway/node/api"
)

// onLine is a stdout whose reader acts before the line that it waits for is written whole: as quick as no program can be.
type onLine struct {
	output
	text string
	act  func()
}

func (o *onLine) Write(b []byte) (int, error) {
	if strings.Contains(string(b), o.text) {
		o.act()
	}
	return o.output.Write(b)
}

// TestLocalAPIAnswersBeforeADaemonSaysThatItIsUp: the first that a program reads of a provider or a session is that it
// runs, and status and disconnect must find it then.
func TestLocalAPIAnswersBeforeADaemonSaysThatItIsUp(t *testing.T) {
	t.Parallel()
	sellerDir, seller := funded(t)
	buyerDir, buyer := funded(t)
	for _, as := range []struct{ role, dir, event string }{
		{"provider", sellerDir, `"event":"up"`},
		{"consumer", buyerDir, `"event":"connected"`},
	} {
		args := with(seller, "provider", "up", "--foreground", "--allow", "127.0.0.1/32", "--json")
		if as.role == "consumer" {
			args = with(with(buyer, "connect", "--foreground", "--json", "--proxy", "127.0.0.1:0", "--spend", "0.01"), onlyFrom(t, sellerDir)...)
		}
		asked := make(chan error, 1)
		out := &onLine{text: as.event, act: func() {
			daemon, err := api.DialDir(as.dir)
			if err != nil {
				asked <- err
				return
			}
			r, err := daemon.GetStatusWithResponse(t.Context())
			if err == nil && (r.JSON200.Provider != nil) != (as.role == "provider") || err == nil && (r.JSON200.Connection != nil) != (as.role == "consumer") {
				err = fmt.Errorf("the status of the %s: %+v", as.role, r.JSON200)
			}
			asked <- err
		}}
		ctx, stop := context.WithCancel(t.Context())
		ended, said := make(chan int, 1), &output{}
		go func() { ended <- Run(ctx, append([]string{"byway"}, args...), Streams{Out: out, Err: said}) }()
		t.Cleanup(func() {
			stop()
			select {
			case <-ended:
			case <-time.After(time.Minute):
				t.Errorf("the %s does not end", as.role)
			}
		})
		select {
		case err := <-asked:
			if err != nil {
				t.Errorf("a %s says that it is up, and asked for its status: %v", as.role, err)
			}
		case code := <-ended:
			ended <- code
			t.Fatalf("%s: %d: %s%s", as.role, code, out, said)
		case <-time.After(90 * time.Second):
			t.Fatalf("%s is not up: %s%s", as.role, out, said)
		}
	}
}
