package ipfs

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func server(t testing.TB, handle http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(handle)
	t.Cleanup(s.Close)
	return s.URL
}

func webNode(t testing.TB, routers, gateways []string) *Node {
	return open(t, Config{Timeout: 3 * time.Second, Network: Network{
		Name: "test", Private: true, Routers: routers, Gateways: gateways,
	}})
}

func TestGatewayGivesWhatNoPeerHas(t *testing.T) {
	t.Parallel()
	block := testBlock(1)
	var lies, asked atomic.Int32
	liar := server(t, func(w http.ResponseWriter, r *http.Request) {
		lies.Add(1)
		w.Write([]byte("a lie"))
	})
	endless := server(t, func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 1<<16)); err != nil {
				return
			}
		}
	})
	elsewhere := server(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
	})
	honest := server(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.URL.Path != "/ipfs/"+sum(block).String() || r.URL.Query().Get("format") != "raw" ||
			r.Header.Get("Accept") != "application/vnd.ipld.raw" {
			t.Errorf("the gateway is asked for %s with %q", r.URL, r.Header)
		}
		w.Write(block)
	})
	n := webNode(t, nil, []string{liar, endless, elsewhere, honest + "/"})
	getOne(t, n, sum(block))
	if lies.Load() != 1 || asked.Load() != 1 {
		t.Errorf("asked the liar %d times and the honest gateway %d times, want once each", lies.Load(), asked.Load())
	}
	for i, e := range n.web.gateways {
		if got, want := e.pause.ready(), i == 3; got != want {
			t.Errorf("gateway %d may be asked again: %v, want %v", i, got, want)
		}
	}
}

func TestGatewayThatLacksABlockIsNotBlamed(t *testing.T) {
	t.Parallel()
	g := server(t, http.NotFound)
	n := webNode(t, nil, []string{g})
	want := sum(testBlock(1))
	_, missing := get(t, n, t.Context(), testCIDs(1, 1), nil)
	if !errors.Is(missing[want], ErrNotProvided) {
		t.Errorf("got %v, want ErrNotProvided", missing[want])
	}
	if !n.web.gateways[0].pause.ready() {
		t.Error("the gateway is left alone after an honest no")
	}
}

func TestRouterLeadsToAProvider(t *testing.T) {
	t.Parallel()
	a := open(t, Config{})
	c := put(t, a, testBlock(1))
	router := server(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/routing/v1/providers/"+c.String() {
			t.Errorf("the router is asked for %s", r.URL)
		}
		var addrs []string
		for _, addr := range a.host.Addrs() {
			addrs = append(addrs, addr.String())
		}
		json.NewEncoder(w).Encode(map[string]any{"Providers": []any{
			map[string]any{"Schema": "unknown", "ID": 7},
			map[string]any{"Schema": "peer", "ID": a.host.ID().String(), "Addrs": append(addrs, "junk")},
		}})
	})
	getOne(t, webNode(t, []string{router}, nil), c)
}

func TestEndpointsAreRefusedWithTheirName(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"ftp://x", "https://", "https://x/?a=b", "://"} {
		cfg := Config{Key: newKey(t), Network: Network{Name: "x", Private: true, Gateways: []string{bad}}}
		_, err := Open(t.Context(), cfg)
		if err == nil || !strings.Contains(err.Error(), bad) {
			t.Errorf("gateway %q gives %v", bad, err)
		}
	}
}

func TestPublicNetworkHasFallbacksByDefault(t *testing.T) {
	t.Parallel()
	w, err := newWeb(Config{})
	if err != nil || len(w.routers) == 0 || len(w.gateways) == 0 {
		t.Errorf("routers %v, gateways %v, %v", w.routers, w.gateways, err)
	}
	infos, err := Network{}.bootstrap()
	if err != nil || len(infos) == 0 {
		t.Errorf("bootstrap nodes %v, %v", infos, err)
	}
	if got := (Network{}).dhtPrefix(); got != "/ipfs" {
		t.Errorf("the public DHT is %s", got)
	}
	w, err = newWeb(Config{Network: Network{Routers: []string{}, Gateways: []string{}}})
	if err != nil || len(w.routers)+len(w.gateways) != 0 {
		t.Errorf("empty lists do not turn the fall-backs off: %v", err)
	}
}

func FuzzDecodeProviders(f *testing.F) {
	f.Add([]byte(`{"Providers":[{"Schema":"peer","ID":"12D3KooWM8sovaEGU1bmiWGWAzvs47DEcXKZZTuJnpQyVTkRs2Vn",` +
		`"Addrs":["/ip4/1.2.3.4/tcp/1"]}]}`))
	f.Add([]byte(`{"Providers":null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		infos, err := decodeProviders(body)
		if err == nil && len(infos) > maxRecords {
			t.Fatalf("%d records", len(infos))
		}
		for _, info := range infos {
			if info.ID.Validate() != nil || len(info.Addrs) > maxRecAddrs {
				t.Fatalf("bad record %v", info)
			}
		}
	})
}
