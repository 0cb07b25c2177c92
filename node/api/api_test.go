package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"

	"byway/node/home"
)

func TestLocalAPIAnswersTheHolderOfTheTokenAlone(t *testing.T) {
	t.Parallel()
	home := apiHome(t)
	if _, err := Dial(home); !errors.Is(err, ErrNotRunning) {
		t.Errorf("dialling nobody gave %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served, ready := make(chan error, 1), make(chan struct{})
	server, err := Listen(ctx, home)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		served <- server.Serve(ctx, map[string]http.HandlerFunc{
			"GET /v1/status": func(w http.ResponseWriter, _ *http.Request) { Answer(w, "fine", nil) },
			"POST /v1/fail":  func(w http.ResponseWriter, _ *http.Request) { Answer(w, nil, errors.New("it broke")) },
		}, func() { close(ready) })
	}()
	select {
	case <-ready:
	case err := <-served:
		t.Fatal(err)
	}
	api, err := Dial(home)
	if err != nil {
		t.Fatal(err)
	}
	var got string
	if err := api.Get(ctx, "/v1/status", &got); err != nil || got != "fine" {
		t.Errorf("got %q, %v", got, err)
	}
	if err := api.Post(ctx, "/v1/fail", &got); err == nil || err.Error() != "it broke" {
		t.Errorf("a failing call gave %v", err)
	}
	for name, change := range map[string]func(*http.Request){
		"no token":     func(r *http.Request) { r.Header.Del("Authorization") },
		"wrong token":  func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+strings.Repeat("0", 64)) },
		"rebound name": func(r *http.Request) { r.Host = "evil.example" },
	} {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+api.where.Address+"/v1/status", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+api.where.Token)
		change(r)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: %s", name, response.Status)
		}
	}
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
	if _, err := Dial(home); !errors.Is(err, ErrNotRunning) {
		t.Errorf("after the end the API is found: %v", err)
	}
}

func TestKilledDaemonIsNotTakenForARunningOne(t *testing.T) {
	t.Parallel()
	home := apiHome(t)
	left, err := json.Marshal(apiAddress{"127.0.0.1:1", "00"})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(home.Path("api.json"), left, 0o600); err != nil {
		t.Fatal(err)
	}
	api, err := Dial(home)
	if err == nil {
		err = api.Get(t.Context(), "/v1/status", new(string))
	}
	if !errors.Is(err, ErrNotRunning) {
		t.Errorf("got %v", err)
	}
}

func apiHome(t *testing.T) home.Home {
	t.Helper()
	home, err := home.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return home
}
