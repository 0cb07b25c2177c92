package api

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"byway/node/api/spec"
)

// visitor is a browser at the door, or what pretends to be one.
type visitor struct {
	t      *testing.T
	host   string
	bearer string
}

var (
	doorForm   = regexp.MustCompile(`action="http://(127\.0\.0\.1:\d+)/enter"`)
	doorCode   = regexp.MustCompile(`name="code" value="([0-9a-f]{64})"`)
	doorBearer = regexp.MustCompile(`data-bearer="([0-9a-f]{64})"`)
)

// opened opens the door and reads its file.
func (d *daemon) opened(t *testing.T) (v *visitor, code string, door spec.Door) {
	t.Helper()
	door, err := d.client.OpenDoor(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(door.File)
	if err != nil || info.Mode() != 0o600 {
		t.Fatalf("%s: %v, %v", door.File, info, err)
	}
	page, err := os.ReadFile(door.File)
	if err != nil {
		t.Fatal(err)
	}
	form, secret := doorForm.FindSubmatch(page), doorCode.FindSubmatch(page)
	if form == nil || secret == nil {
		t.Fatalf("the file is %s", page)
	}
	return &visitor{t: t, host: string(form[1])}, string(secret[1]), door
}

// ask sends a request; change makes it another one.
func (v *visitor) ask(method, path, body string, change func(*http.Request)) (*http.Response, string) {
	v.t.Helper()
	r, err := http.NewRequestWithContext(v.t.Context(), method, "http://"+v.host+path, strings.NewReader(body))
	if err != nil {
		v.t.Fatal(err)
	}
	if v.bearer != "" {
		r.Header.Set("Authorization", "Bearer "+v.bearer)
	}
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if method == http.MethodPost {
		r.Header.Set("Origin", "http://"+v.host)
		r.Header.Set("Content-Type", "application/json")
	}
	if change != nil {
		change(r)
	}
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	if len(response.Cookies()) > 0 || response.Header.Get("Access-Control-Allow-Origin") != "" {
		v.t.Errorf("%s %s: a cookie, or another origin is let in: %v", method, path, response.Header)
	}
	return response, string(got)
}

func (v *visitor) enter(code string) (*http.Response, string) {
	return v.ask(http.MethodPost, "/enter", url.Values{"code": {code}}.Encode(), fromFile)
}

// fromFile makes the request that a browser makes from a page in a file.
func fromFile(r *http.Request) {
	r.Header.Set("Origin", "null")
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	r.Header.Del("Authorization")
}

func TestABrowserComesInByTheFileAndByNothingElse(t *testing.T) {
	t.Parallel()
	d := serve(t)
	v, code, door := d.opened(t)
	response, page := v.enter(code)
	if response.StatusCode != http.StatusOK {
		t.Fatalf("%d: %s", response.StatusCode, page)
	}
	if _, err := os.Lstat(door.File); !os.IsNotExist(err) {
		t.Errorf("the file is still there: %v", err)
	}
	found := doorBearer.FindStringSubmatch(page)
	if found == nil {
		t.Fatalf("no bearer in %s", page)
	}
	// The browser runs what the policy names by its hash, and nothing else.
	policy := response.Header.Get("Content-Security-Policy")
	for _, tag := range []string{"script", "style"} {
		inner := regexp.MustCompile(`(?s)<` + tag + `>(.*)</` + tag + `>`).FindStringSubmatch(page)
		if inner == nil {
			t.Fatalf("no %s in %s", tag, page)
		}
		sum := sha256.Sum256([]byte(inner[1]))
		if want := tag + "-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !strings.Contains(policy, want) {
			t.Errorf("the policy %q does not name the page's %s", policy, tag)
		}
	}
	for _, part := range []string{"default-src 'none'", "frame-ancestors 'none'", "form-action 'none'", "base-uri 'none'"} {
		if !strings.Contains(policy, part) {
			t.Errorf("the policy %q lacks %s", policy, part)
		}
	}
	if regexp.MustCompile(`(?i)(src|href)\s*=|https?://|@import|url\(`).MatchString(page) {
		t.Errorf("the page names what is elsewhere: %s", page)
	}
	v.bearer = found[1]
	if response, got := v.ask(http.MethodGet, "/v2/status", "", nil); response.StatusCode != http.StatusOK {
		t.Errorf("with the bearer: %d %s", response.StatusCode, got)
	}
	if response, got := v.ask(http.MethodPost, "/v2/connection", `{"country":"DE"}`, nil); response.StatusCode != http.StatusAccepted {
		t.Errorf("with the bearer: %d %s", response.StatusCode, got)
	}
	// A reload holds no secret.
	reloaded, page := v.ask(http.MethodGet, "/", "", func(r *http.Request) { r.Header.Del("Authorization") })
	if reloaded.StatusCode != http.StatusOK || strings.Contains(page, v.bearer) || !strings.Contains(page, `data-bearer=""`) {
		t.Errorf("a reload: %d %s", reloaded.StatusCode, page)
	}
	if response, _ := v.ask(http.MethodPost, "/v2/door", "", nil); response.StatusCode < 400 {
		t.Error("a page opens the door for another")
	}
}

func TestAdversaryOtherPagesGetNothingAtTheDoor(t *testing.T) {
	t.Parallel()
	d := serve(t)
	v, code, _ := d.opened(t)
	_, page := v.enter(code)
	v.bearer = doorBearer.FindStringSubmatch(page)[1]
	_, port, _ := strings.Cut(v.host, ":")
	set := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	refused := 0
	for name, change := range map[string]func(*http.Request){
		"a rebound name":                 func(r *http.Request) { r.Host = "evil.example:" + port },
		"localhost instead":              func(r *http.Request) { r.Host = "localhost:" + port },
		"the host without its port":      func(r *http.Request) { r.Host = "127.0.0.1" },
		"the host with a dot":            func(r *http.Request) { r.Host = "127.0.0.1.:" + port },
		"another origin":                 set("Origin", "http://evil.example"),
		"another port's origin":          set("Origin", "http://127.0.0.1:1"),
		"the origin with https":          set("Origin", "https://"+v.host),
		"the origin with a slash":        set("Origin", "http://"+v.host+"/"),
		"the origin of a file":           set("Origin", "null"),
		"two origins":                    func(r *http.Request) { r.Header["Origin"] = []string{"http://" + v.host, "http://evil.example"} },
		"no origin, from another site":   func(r *http.Request) { r.Header.Del("Origin"); r.Header.Set("Sec-Fetch-Site", "cross-site") },
		"no origin, from the same site":  func(r *http.Request) { r.Header.Del("Origin"); r.Header.Set("Sec-Fetch-Site", "same-site") },
		"no origin, typed in":            func(r *http.Request) { r.Header.Del("Origin"); r.Header.Set("Sec-Fetch-Site", "none") },
		"no origin at all":               func(r *http.Request) { r.Header.Del("Origin"); r.Header.Del("Sec-Fetch-Site") },
		"no bearer":                      func(r *http.Request) { r.Header.Del("Authorization") },
		"another bearer":                 set("Authorization", "Bearer "+strings.Repeat("0", 64)),
		"the code":                       set("Authorization", "Bearer "+code),
		"the bearer as a cookie":         func(r *http.Request) { r.Header.Del("Authorization"); r.Header.Set("Cookie", "byway="+v.bearer) },
		"the bearer in a query":          func(r *http.Request) { r.Header.Del("Authorization"); r.URL.RawQuery = "bearer=" + v.bearer },
		"the bearer with another scheme": set("Authorization", "Basic "+v.bearer),
		"an empty bearer":                set("Authorization", "Bearer "),
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			path, body := "/v2/status", ""
			if method == http.MethodPost {
				path, body = "/v2/connection", `{"country":"XX"}`
			}
			response, got := v.ask(method, path, body, change)
			if response.StatusCode != http.StatusForbidden && response.StatusCode != http.StatusUnauthorized {
				t.Errorf("%s, %s: %d %s", name, method, response.StatusCode, got)
			}
			refused++
		}
	}
	if len(d.fake.wants) != 0 {
		t.Errorf("what came through: %+v", d.fake.wants)
	}
	for name, change := range map[string]func(*http.Request){
		"a preflight": set("Access-Control-Request-Method", "POST"),
	} {
		if response, _ := v.ask(http.MethodOptions, "/v2/connection", "", func(r *http.Request) {
			change(r)
			r.Header.Set("Origin", "http://evil.example")
		}); response.StatusCode < 400 {
			t.Errorf("%s: %d", name, response.StatusCode)
		}
	}
	t.Logf("adversary: requests with a foreign Host, Origin or site and the right bearer, or without it | bound: all refused | seen: %d refused", refused)
}

func TestAdversaryACodeIsGoodOnceAndForHalfAMinute(t *testing.T) {
	t.Parallel()
	d := serve(t)
	v, code, _ := d.opened(t)
	wrong := func(name string, response *http.Response, got string) {
		t.Helper()
		if response.StatusCode != http.StatusUnauthorized && response.StatusCode != http.StatusForbidden || doorBearer.MatchString(got) {
			t.Errorf("%s: %d %s", name, response.StatusCode, got)
		}
	}
	form := url.Values{"code": {code}}.Encode()
	for name, origin := range map[string]string{"another page": "http://evil.example", "no page": "", "the door's own page": "http://" + v.host} {
		response, got := v.ask(http.MethodPost, "/enter", form, func(r *http.Request) {
			fromFile(r)
			if r.Header.Set("Origin", origin); origin == "" {
				r.Header.Del("Origin")
			}
		})
		wrong("a right code of "+name, response, got)
	}
	response, got := v.ask(http.MethodPost, "/enter", form, func(r *http.Request) { fromFile(r); r.Host = "evil.example" })
	wrong("a right code for another host", response, got)
	response, got = v.ask(http.MethodPost, "/enter?code="+code, "", fromFile)
	wrong("a right code in the address", response, got)
	response, got = v.enter(strings.Repeat("0", 64))
	wrong("a wrong code", response, got)
	response, _ = v.ask(http.MethodPost, "/enter", "code="+strings.Repeat("0", 1<<20), fromFile)
	if response.StatusCode < 400 {
		t.Errorf("a code that is a book: %d", response.StatusCode)
	}
	if response, got := v.enter(code); response.StatusCode != http.StatusOK {
		t.Fatalf("the right code: %d %s", response.StatusCode, got)
	}
	response, got = v.enter(code)
	wrong("a code for the second time", response, got)

	at := time.Now()
	d.server.door.mu.Lock()
	d.server.door.now = func() time.Time { return at }
	d.server.door.mu.Unlock()
	later := func(by time.Duration) {
		d.server.door.mu.Lock()
		at = at.Add(by)
		d.server.door.mu.Unlock()
	}
	v, code, _ = d.opened(t)
	later(codeTime + time.Second)
	response, got = v.enter(code)
	wrong("a code that is over", response, got)

	v, code, _ = d.opened(t)
	_, page := v.enter(code)
	v.bearer = doorBearer.FindStringSubmatch(page)[1]
	if response, got := v.ask(http.MethodGet, "/v2/status", "", nil); response.StatusCode != http.StatusOK {
		t.Fatalf("a fresh bearer: %d %s", response.StatusCode, got)
	}
	later(bearerTime + time.Second)
	response, got = v.ask(http.MethodGet, "/v2/status", "", nil)
	wrong("a bearer that is over", response, got)
	t.Logf("adversary: codes used twice, late, by other pages | bound: once within %s | seen: refused", codeTime)
}

func TestPagesOfTheDoorAreBoundedAndRemoved(t *testing.T) {
	t.Parallel()
	d := serve(t)
	var files []string
	for range codesMost {
		_, _, door := d.opened(t)
		files = append(files, door.File)
	}
	if _, err := d.client.OpenDoor(t.Context()); err == nil || !strings.Contains(err.Error(), fmt.Sprint(codesMost)) {
		t.Errorf("one more: %v", err)
	}
	d.stop()
	for _, file := range files {
		if _, err := os.Lstat(file); !os.IsNotExist(err) {
			t.Errorf("%s is left: %v", file, err)
		}
	}
}
