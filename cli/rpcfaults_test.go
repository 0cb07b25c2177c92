package cli

import (
	"bufio"
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"byway/contracts/chain/chaintest"
	"byway/contracts/devchain"
	"byway/node/home"
)

// rpcfaultsDir is where `make rpc-faults` wants its table; empty: the short form, on the embedded chain.
var rpcfaultsDir = os.Getenv("BYWAY_RPC_FAULTS")

// startAnvil starts anvil on a free port and returns where it answers.
func startAnvil(t *testing.T) string {
	t.Helper()
	path := os.Getenv("ANVIL")
	if path == "" {
		t.Fatal("ANVIL does not say where anvil is: run make rpc-faults")
	}
	anvil := exec.Command(path, "--port", "0", "--block-time", "1")
	out, err := anvil.StdoutPipe()
	if err == nil {
		err = anvil.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { anvil.Process.Kill(); anvil.Wait() })
	where := make(chan string, 1)
	go func() { // ends with anvil
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if _, at, ok := strings.Cut(lines.Text(), "Listening on "); ok {
				where <- "http://" + strings.TrimSpace(at)
			}
		}
	}()
	select {
	case url := <-where:
		return url
	case <-time.After(30 * time.Second):
		t.Fatal("anvil does not listen")
	}
	return ""
}

// faultRow is a line of the table.
type faultRow struct {
	fault, role string
	at          int // of the fault among rpcFaults
	endpoints   int
	worked      bool
	took        time.Duration
	said        string
}

// TestAdversaryRPCFaults runs consumers and providers whose first endpoint of one, two or three has a fault. With another
// one beside it everything must work; alone it must work, or the program must say which endpoint fails.
func TestAdversaryRPCFaults(t *testing.T) {
	t.Parallel()
	net := devnetFile(t)
	most := 2
	if rpcfaultsDir != "" {
		most = 3
		net = filepath.Join(t.TempDir(), "anvil.toml")
		up := start(t, "devnet", "up", "--rpc", startAnvil(t), "--funder-key",
			common.Bytes2Hex(crypto.FromECDSA(devchain.Account(0).Private())), "--ipfs-port", "0", "--write", net, "--json")
		if _, err := up.line(2*time.Minute, "byway.devnet/1"); err != nil {
			t.Fatal(err)
		}
	}
	network, err := home.LoadNetwork(net)
	if err != nil {
		t.Fatal(err)
	}
	home := func(t *testing.T, name string) (dir string, flags []string) {
		dir = filepath.Join(t.TempDir(), name)
		flags = []string{"--home", dir, "--network", net, "--password-file", passwordFile(t)}
		must(t, with(flags, "account", "new", "--light")...)
		must(t, with(flags, "devnet", "fund")...)
		return dir, flags
	}
	sellerDir, seller := home(t, "seller")
	startProvider(t, seller, "--price", "0.05")
	connect := with([]string{"connect", "--foreground", "--proxy", "127.0.0.1:0", "--json", "--max-price", "1", "--spend", "0.2"}, onlyFrom(t, sellerDir)...)

	// Most of a row is waiting, so that the columns of the table are filled at once. Each has a home of its own.
	table := &faultTable{}
	t.Cleanup(func() { table.write(t) }) // after the subtests
	for n := 1; n <= most; n++ {
		for _, column := range []struct {
			role  string
			group string
			kinds []chaintest.Kind
			at    int
		}{
			{"consumer", "limited", chaintest.Limited(), 0}, {"provider", "limited", chaintest.Limited(), 0},
			{"consumer", "broken", chaintest.Broken(), 100}, {"provider", "broken", chaintest.Broken(), 100},
			{"consumer", "lying", chaintest.Lying(), 200}, {"provider", "lying", chaintest.Lying(), 200},
		} {
			role := column.role
			if rpcfaultsDir == "" && role == "provider" && n == 1 {
				continue
			}
			t.Run(fmt.Sprintf("%s with %d %s", role, n, column.group), func(t *testing.T) {
				t.Parallel()
				command, ready := connect, `"event":"connected"`
				if role == "provider" {
					command, ready = []string{"provider", "up", "--foreground", "--price", "0.9", "--allow", "127.0.0.1/32", "--json"}, `"event":"up"`
				}
				// It has been here before: it knows the chain and the seller, and has something deposited.
				_, flags := home(t, fmt.Sprint(role, n))
				first := start(t, with(flags, command...)...)
				if _, err := first.line(90*time.Second, ready); err != nil {
					t.Fatal(err)
				}
				first.stop()
				first.end(t, 60*time.Second)
				for i, kind := range column.kinds {
					if rpcfaultsDir == "" && !kind.Quick || n > 1 && strings.HasPrefix(kind.Name, "getLogs: ") && !kind.Quick {
						continue
					}
					t.Run(kind.Name, func(t *testing.T) {
						flags := flags
						if kind.OfTheChain() { // which this home knows another way
							_, flags = home(t, "fresh")
						}
						bad := chaintest.Start(t, network.RPC[0])
						faulty := network
						faulty.RPC = []string{bad.URL + "/v3/" + rpcKey + "?key=" + rpcKey}
						for range n - 1 {
							other := chaintest.Start(t, network.RPC[0])
							if kind.OfTheChain() {
								other.Set(kind.Fault(t, other))
							}
							faulty.RPC = append(faulty.RPC, other.URL)
						}
						file := filepath.Join(t.TempDir(), "net.toml")
						if err := faulty.Write(file); err != nil {
							t.Fatal(err)
						}
						bad.Set(kind.Fault(t, bad))
						row := faultRow{fault: kind.Name, at: column.at + i, role: role, endpoints: n}
						began := time.Now()
						r := launch(with(with(flags, "--network", file), command...)...)
						host := strings.TrimPrefix(bad.URL, "http://")
						must := n > 1 || kind.Usable
						within := 2 * time.Minute
						if !must {
							within = sayWithin + 15*time.Second
						}
						err := r.readyOrNamed(within, ready, host, must)
						row.took, row.worked = time.Since(began), err == nil
						r.stop()
						row.said = lastWords(r.err.String())
						if row.worked && n > 1 && kind.Name != "none" && row.said == "" {
							row.said = "(nothing)"
						}
						select {
						case <-r.done:
						case <-time.After(time.Minute):
							t.Fatalf("it does not end: %s", &r.err)
						}
						bad.CloseClientConnections()
						table.add(row)
						all := r.out.String() + r.err.String()
						switch {
						case !row.worked && (n > 1 || kind.Usable):
							t.Error(err)
						case !row.worked && kind.Unseen():
						case !row.worked && !strings.Contains(all, host):
							t.Errorf("the endpoint is not named: %s", all)
						case !row.worked && row.took > sayWithin:
							t.Errorf("it took %s to say so: %s", row.took, all)
						}
						if chaintest.Raw(all) || strings.Contains(all, rpcKey) || strings.Contains(all, "panic") || len(all) > 64<<10 {
							t.Errorf("said %d bytes: %.2000q", len(all), all)
						}
						t.Logf("adversary: chain endpoint: %s, the first of %d, %s | bound: works beside another, else named | seen: "+
							"worked %v after %s; %s", row.fault, row.endpoints, row.role, row.worked, row.took.Round(10*time.Millisecond), row.said)
					})
				}
			})
		}
	}
}

// rpcKey is an access key in the URL of the endpoint with the fault: nobody shall see it.
const rpcKey = "s3cr3t-access-key"

// sayWithin is how soon a program that can't work must say which endpoint is why.
const sayWithin = 45 * time.Second

// readyOrNamed waits until a program is ready, nil, or has named an endpoint as what keeps it from that, or has ended. Where
// it must get ready it is waited for until it is.
func (r *running) readyOrNamed(within time.Duration, ready, host string, must bool) error {
	deadline := time.Now().Add(within)
	for {
		_, err := r.line(time.Second, ready)
		if err == nil || time.Now().After(deadline) {
			return err
		}
		select {
		case <-r.done:
			return err
		default:
		}
		if !must && strings.Contains(r.err.String(), host) {
			_, err := r.line(5*time.Second, ready) // what it says may be a note on its way
			return err
		}
	}
}

var logTime = regexp.MustCompile(`^time=\S+ `)

// lastWords is the last thing that a program said on stderr about the chain, or at all.
func lastWords(s string) string {
	var last string
	for line := range strings.Lines(s) {
		line = strings.TrimSpace(logTime.ReplaceAllString(line, ""))
		if line != "" && (last == "" || strings.Contains(line, "endpoint") || strings.HasPrefix(line, "byway:")) {
			last = line
		}
	}
	if len(last) > 240 {
		last = last[:240] + "…"
	}
	return last
}

// faultTable collects the rows of the subtests.
type faultTable struct {
	mu   sync.Mutex
	rows []faultRow
}

func (f *faultTable) add(r faultRow) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rows = append(f.rows, r)
	if rpcfaultsDir != "" {
		fmt.Print(r.line())
	}
}

func (r faultRow) line() string {
	worked := "yes"
	if !r.worked {
		worked = "no"
	}
	return fmt.Sprintf("%-36s %-9d %-9s %-7s %7.1fs  %s\n", r.fault, r.endpoints, r.role, worked, r.took.Seconds(), r.said)
}

// write sorts the rows and writes them where the long form is asked for.
func (f *faultTable) write(t *testing.T) {
	if rpcfaultsDir == "" {
		return
	}
	slices.SortFunc(f.rows, func(a, b faultRow) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.endpoints, b.endpoints), cmp.Compare(a.role, b.role))
	})
	var b strings.Builder
	fmt.Fprintf(&b, "%-36s %-9s %-9s %-7s %8s  %s\n", "first endpoint", "endpoints", "role", "worked", "took", "said")
	for _, r := range f.rows {
		b.WriteString(r.line())
	}
	fmt.Print(b.String())
	if err := os.WriteFile(filepath.Join(rpcfaultsDir, "rpc-faults.txt"), []byte(b.String()), 0o644); err != nil {
		t.Error(err)
	}
}
