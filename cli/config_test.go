package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/urfave/cli/v2"

	"byway/contracts/devchain"
)

// configured makes a folder with a configuration in it.
func configured(t *testing.T, content string) (dir, path string) {
	t.Helper()
	dir = t.TempDir()
	path = filepath.Join(dir, configName)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir, path
}

func shownConfig(t *testing.T, args ...string) map[string]settingJSON {
	t.Helper()
	var out configJSON
	if err := json.Unmarshal([]byte(must(t, with(args, "config", "show", "--json")...)), &out); err != nil {
		t.Fatal(err)
	}
	if out.Schema != "byway.config/1" {
		t.Errorf("schema %q", out.Schema)
	}
	byKey := make(map[string]settingJSON)
	for _, k := range out.Keys {
		byKey[k.Key] = k
	}
	return byKey
}

// A configuration decides about money: what is not this user's own file, closed to the writing of others, is not read, and a
// read never hangs.
func TestAdversaryConfigurationIsNobodyElses(t *testing.T) {
	t.Parallel()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	attacks := map[string]struct {
		do   func(path string)
		says string
	}{
		"writable by others": {func(path string) { check(os.Chmod(path, 0o622)) }, "0622"},
		"a pipe":             {func(path string) { check(os.Remove(path)); check(syscall.Mkfifo(path, 0o600)) }, "pipe"},
		"a folder":           {func(path string) { check(os.Remove(path)); check(os.Mkdir(path, 0o700)) }, "folder"},
		"a link": {func(path string) {
			check(os.Rename(path, path+"2"))
			check(os.Symlink(path+"2", path))
		}, "symbolic link"},
		"huge": {func(path string) { check(os.Truncate(path, 1<<30)) }, "longer than 65536 bytes"},
		"another user's": {func(path string) {
			if os.Geteuid() == 0 {
				check(os.Chown(path, 12345, 12345))
			} else {
				check(os.Chmod(path, 0o602))
			}
		}, ""},
		"deep": {func(path string) {
			check(os.WriteFile(path, []byte("rpc = "+strings.Repeat("[", 60_000)), 0o600))
		}, configName + ":1"},
		"binary": {func(path string) { check(os.WriteFile(path, []byte("\x00\xff\xfe"), 0o600)) }, configName},
	}
	for name, attack := range attacks {
		t.Run(name, func(t *testing.T) {
			dir, path := configured(t, "log = \"info\"\n")
			attack.do(path)
			for _, command := range []string{"config show", "config set log debug", "account balance"} {
				refusal{command, 1, []string{path, attack.says}}.check(t, "--home", dir)
			}
		})
	}
	t.Logf("adversary: a configuration that others wrote, that hangs or does not end | bound: refused, named | seen: %d of %[1]d",
		len(attacks))
}

func TestConfigurationNamesTheLineOfAMistake(t *testing.T) {
	t.Parallel()
	for content, says := range map[string]string{
		"\nlgo = \"info\"\n":                             `byway.toml:2: there is no key "lgo", did you mean log?`,
		"[consumer]\n# x\nmax-prise = \"1\"":             `byway.toml:3: there is no key "consumer.max-prise", did you mean consumer.max-price?`,
		"max-price = \"1\"":                              `did you mean consumer.max-price?`,
		"[provider]\nmax-price = \"1\"":                  `there is no key "provider.max-price", did you mean consumer.max-price?`,
		"[consumre]\nspend = \"1\"":                      `byway.toml:2: there is no key "consumre.spend", did you mean consumer.spend?`,
		"home = \"/x\"":                                  `there is no key "home"`,
		"[consumer]\nspend = \"much\"":                   `byway.toml:2: consumer.spend: "much" is no number of tokens`,
		"[consumer]\nspend = true":                       "byway.toml:2: consumer.spend: is no true or false",
		"[consumer]\nspend = -1":                         `"-1" is no number of tokens`,
		"[consumer]\nspend = 1e3":                        `"1e3" is no number of tokens`,
		"[consumer]\ntun = \"yes\"":                      "byway.toml:2: consumer.tun",
		"[consumer]\ntun = 1":                            "byway.toml:2: consumer.tun",
		"[consumer]\nexclude = [\"192.0.2.1/24\"]":       "is no prefix such as 192.0.2.0/24",
		"[consumer]\nexclude = [[\"192.0.2.0/24\"]]":     "not of lists",
		"[consumer]\ncountry = [\"NO\"]":                 "takes one value, not a list",
		"[consumer]\nmin-age = 5":                        "byway.toml:2: consumer.min-age",
		"[provider]\nmax-sessions = 1.5":                 "byway.toml:2: provider.max-sessions",
		"[provider]\nmode = \"fast\"":                    "use privileged, userspace or auto",
		"[provider]\nprice = 1979-05-27":                 "byway.toml:2: provider.price",
		"roles = [\"provider\", \"miner\"]":              `"miner" is no role: use provider or consumer`,
		"rpc = [\"ftp://x\"]":                            "is no URL of an endpoint",
		"rpc = [\"http://a,http://b\"]":                  "more than one value",
		"password-file = \"secret\"":                     "is no absolute path",
		"log = \"loud\"":                                 "use debug, info, warn or error",
		"log = \"info\"\nlog = \"warn\"":                 "byway.toml:2",
		"log = ":                                         "byway.toml:1",
		"[[consumer]]\nspend = \"1\"":                    "consumer",
		"consumer = { spend = \"1\", spand = \"1\" }":    `byway.toml:1: there is no key "consumer.spand", did you mean consumer.spend?`,
		"\"\\u202eevil\" = 1\n":                          `there is no key`,
		"x\"\x1b[2J\" = 1":                               "byway.toml:1",
		"[consumer]\ncountry = \"\x00\"":                 "byway.toml:2",
		"[consumer]\nproxy = \"1080\"":                   "is no address:port",
		"[provider]\ndeny-port = [0]":                    "is no port from 1 to 65535",
		"[provider]\nhost-listen = [\"127.0.0.1:4001\"]": "is no multiaddr",
	} {
		dir, _ := configured(t, content)
		refusal{"config show", 1, []string{says}}.check(t, "--home", dir)
		refusal{"account balance", 1, []string{says}}.check(t, "--home", dir)
	}
	// What mends it works all the same, and so does what opens this machine.
	dir, path := configured(t, "colour = \"red\" # really\nlog = \"info\"\n")
	must(t, "--home", dir, "config", "set", "consumer.spend", "2")
	must(t, "--home", dir, "config", "unset", "colour")
	if got, err := os.ReadFile(path); err != nil || string(got) != "log = \"info\"\n\n[consumer]\nspend = \"2\"\n" {
		t.Errorf("mended to %q, %v", got, err)
	}
}

// Every flag of the node's commands and of the program can be set: a new one too, since it needs a rule for its values.
func TestEveryFlagIsASetting(t *testing.T) {
	t.Parallel()
	app := newApp(Streams{Out: io.Discard, Err: io.Discard})
	list := settings(app)
	flags := 1 // roles
	count := func(list []cli.Flag) {
		for _, f := range list {
			if unsettable[f.Names()[0]] == "" {
				flags++
			}
		}
	}
	count(app.Flags)
	for _, s := range sections {
		if len(commandFlags(app, s.command)) == 0 {
			t.Errorf("[%s]: there is no command byway %s with flags", s.section, s.command)
		}
		count(commandFlags(app, s.command))
	}
	if len(list) != flags || flags < 40 {
		t.Errorf("%d settings, %d flags", len(list), flags)
	}
	examples := map[string]string{
		"TOKENS": "0.25", "FILE": "/tmp/x", "URL": "http://127.0.0.1:1", "LEVEL": "info", "CC": "NO", "WORD": "pq",
		"ADDRESS": devchain.Account(0).Address().Hex(), "MULTIADDR": "/ip4/127.0.0.1/tcp/1", "PREFIX": "192.0.2.0/24",
		"MODE": "auto", "ENGINE": "tailscale", "ROLE": "consumer", "PORT": "25", "ADDRESS:PORT": "127.0.0.1:1",
		"NUMBER": "7", "BLOCKS": "7", "MBIT/S": "7", "THOUSANDTHS": "7", "TIMES": "7", "DURATION": "7h0m0s", "TIME": "7h0m0s", "": "true",
		"BYTES": "500GB", "HOURS": "22:00-06:00",
	}
	dir := t.TempDir()
	for _, s := range list {
		example, ok := examples[s.placeholder()]
		if s.kind() == "" || !ok || s.placeholder() == "" && s.kind() != "bool" {
			t.Errorf("%s: there is no rule for a flag of kind %T and value %q", s.key(), s.flag, s.placeholder())
			continue
		}
		if _, err := findSetting(list, s.key()); err != nil {
			t.Error(err)
		}
		if _, err := s.literal([]string{"no\tvalue"}); err == nil {
			t.Errorf("%s takes anything", s.key())
		}
		must(t, "--home", dir, "config", "set", s.key(), example)
	}
	file, err := readConfig(dir)
	if err != nil {
		t.Fatal(err)
	}
	values, err := file.given(list)
	if err != nil || len(values) != len(list) {
		t.Fatalf("%d of %d settings read back, %v", len(values), len(list), err)
	}
	for _, v := range values {
		if want := examples[v.placeholder()]; !slices.Equal(v.words, []string{want}) {
			t.Errorf("%s is %q, was set to %q", v.key(), v.words, want)
		}
	}
	// Each reaches the command that it is for, and a flag that was typed keeps it away.
	for _, command := range []struct{ path, section string }{{"provider up", "provider"}, {"connect", "consumer"}} {
		args := append([]string{"byway", "--home", dir}, strings.Fields(command.path)...)
		line, err := arrange(app, args)
		if err != nil {
			t.Fatal(err)
		}
		if err := line.settle(app); err != nil {
			t.Fatal(err)
		}
		for _, s := range list {
			if s.section != command.section && s.section != "" || s.name == "roles" {
				continue
			}
			want := "--" + s.name + "=" + examples[s.placeholder()]
			if !slices.Contains(line.args(), want) && fromEnvironment(s.flag) == "" {
				t.Errorf("%s: %s lacks %s", command.path, line.args(), want)
			}
			typed := append(slices.Clone(args), "--"+s.name+"="+examples[s.placeholder()])
			again, err := arrange(app, typed)
			if err != nil {
				t.Fatal(err)
			}
			if err := again.settle(app); err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(strings.Join(again.args(), "\n")+"\n", "\n"+want+"\n"); n > 1 {
				t.Errorf("%s: --%s was typed, and the file is heard too", command.path, s.name)
			}
		}
	}
}

func TestFlagBeforeEnvironmentBeforeFileBeforeDefault(t *testing.T) {
	dir, path := configured(t, "# mine\nrpc = [\"http://127.0.0.1:3\"]\nnetwork = \"devnet\"\n[consumer]\nmax-price = 0.123456789012345678901 # dear\n")
	flags := []string{"--home", dir}
	check := func(key, origin, place string, value ...string) {
		t.Helper()
		if got := shownConfig(t, flags...)[key]; got.Origin != origin || got.Place != place || !slices.Equal(got.Value, value) {
			t.Errorf("%s is %q by %s %s, want %q by %s %s", key, got.Value, got.Origin, got.Place, value, origin, place)
		}
	}
	check("log", "default", "", "warn")
	check("rpc", "file", path+":2", "http://127.0.0.1:3")
	check("consumer.max-price", "file", path+":5", "0.123456789012345678901")
	check("consumer.min-age", "default", "", "0s")
	check("provider.price", "default", "", "0.05")
	check("roles", "default", "")
	out := must(t, with(flags, "config", "show", "--origin")...)
	for _, want := range []string{
		"consumer.max-price = 0.123456789012345678901   # file " + path + ":5\n", "log = warn   # default\n",
		"rpc = [http://127.0.0.1:3]   # file " + path + ":2\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q lacks %q", out, want)
		}
	}
	t.Setenv("BYWAY_RPC", "http://127.0.0.1:2")
	check("rpc", "environment", "BYWAY_RPC", "http://127.0.0.1:2")
	flags = append(flags, "--rpc", "http://127.0.0.1:1")
	check("rpc", "flag", "", "http://127.0.0.1:1")
	// What is used is what is shown: the address that was asked stands in the error.
	for _, c := range []struct {
		env   string
		typed []string
		want  string
	}{
		{"", nil, "127.0.0.1:3"},
		{"http://127.0.0.1:2", nil, "127.0.0.1:2"},
		{"http://127.0.0.1:2", []string{"--rpc", "http://127.0.0.1:1"}, "127.0.0.1:1"},
	} {
		if err := os.Unsetenv("BYWAY_RPC"); err != nil {
			t.Fatal(err)
		}
		if c.env != "" {
			t.Setenv("BYWAY_RPC", c.env)
		}
		code, _, errOut := byway(t, append([]string{"offers", "list", "--home", dir}, c.typed...)...)
		if code == 0 || !strings.Contains(errOut, c.want) {
			t.Errorf("%q and %q: %d, %s, want a word of %s", c.env, c.typed, code, errOut, c.want)
		}
	}
}

func TestEndpointsOfTheFileAreNotThoseOfAnotherNetwork(t *testing.T) {
	t.Parallel()
	dir, _ := configured(t, "rpc = [\"http://127.0.0.1:3\"]\n")
	app := newApp(Streams{Out: io.Discard, Err: io.Discard})
	for typed, want := range map[string]bool{
		"connect": true, "connect --network /x.toml": false, "devnet up": false, "unlock": false, "status": false, "config show": false,
	} {
		line, err := arrange(app, append([]string{"byway", "--home", dir}, strings.Fields(typed)...))
		if err != nil {
			t.Fatal(err)
		}
		if err := line.settle(app); err != nil {
			t.Fatal(err)
		}
		if got := slices.Contains(line.args(), "--rpc=http://127.0.0.1:3"); got != want {
			t.Errorf("%s: %s", typed, line.args())
		}
	}
}

func TestMistakeOfTheFileIsToldWithItsLine(t *testing.T) {
	t.Parallel()
	dir, path := configured(t, "[provider]\nprice = \"0.05\"\n")
	// A term of the offer beside an offer that is signed: only the file has it.
	refusal{"provider up --offer x", 2, []string{"--price is a term of the offer", path + ":2 has provider.price"}}.
		check(t, "--home", dir)
}

func TestSettingsAreEditedAroundTheirComments(t *testing.T) {
	t.Parallel()
	const before = "# What I pay.\n" +
		"log = 'info'   # loud enough\n\n" +
		"[provider]  # earn\n" +
		"price = \"0.05\" # cheap\n" +
		"deny = [\n  \"192.0.2.0/24\", # a [bracket\n  \"198.51.100.0/24\",\n]\n" +
		"# end of provider\n" +
		"[consumer]\n" +
		"  spend   =  \"1\"\n" +
		"# nothing more"
	for _, c := range []struct{ args, old, new string }{
		{"set log debug", "'info'", "\"debug\""},
		{"set provider.price 0.06", "\"0.05\"", "\"0.06\""},
		{"set provider.max-sessions 7", "]\n# end", "]\nmax-sessions = 7\n# end"},
		{"set provider.deny 10.0.0.0/8 fc00::/7", before[strings.Index(before, "[\n  \"192") : strings.Index(before, "]\n# end")+1],
			"[\"10.0.0.0/8\", \"fc00::/7\"]"},
		{"set consumer.spend 2.5", "\"1\"", "\"2.5\""},
		{"set consumer.tun true", "\"1\"\n", "\"1\"\ntun = true\n"},
		{"set rpc https://a.example https://b.example", "enough\n", "enough\nrpc = [\"https://a.example\", \"https://b.example\"]\n"},
		{"unset log", "log = 'info'   # loud enough\n", ""},
		{"unset provider.deny", before[strings.Index(before, "deny") : strings.Index(before, "]\n# end")+2], ""},
		{"unset consumer.tun", "", ""},
	} {
		dir, path := configured(t, before)
		out := must(t, append([]string{"--home", dir, "config"}, strings.Fields(c.args)...)...)
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if want := strings.Replace(before, c.old, c.new, 1); string(got) != want || out != "" {
			t.Errorf("%s made\n%s\nand not\n%s\n%s", c.args, got, want, out)
		}
		info, err := os.Stat(path)
		if err != nil || runtime.GOOS != "windows" && info.Mode() != 0o600 {
			t.Errorf("%s left mode %s", c.args, info.Mode())
		}
	}
	dir := filepath.Join(t.TempDir(), "new")
	must(t, "--home", dir, "config", "set", "consumer.max-price", "0.1")
	must(t, "--home", dir, "config", "set", "network", "devnet")
	must(t, "--home", dir, "config", "set", "password-file", "some.pw")
	got, err := os.ReadFile(filepath.Join(dir, configName))
	abs, absErr := filepath.Abs("some.pw")
	if want := fmt.Sprintf("network = \"devnet\"\npassword-file = %q\n[consumer]\nmax-price = \"0.1\"\n", abs); err != nil ||
		absErr != nil || string(got) != want {
		t.Errorf("made %q, not %q", got, want)
	}
}

func TestSettingIsCheckedBeforeItIsWritten(t *testing.T) {
	t.Parallel()
	const before = "log = \"info\"\nconsumer = { spend = \"1\" }\n"
	dir, path := configured(t, before)
	for _, r := range []refusal{
		{"config set", 2, []string{"KEY VALUE", "--help"}},
		{"config set log", 2, []string{"KEY VALUE"}},
		{"config set lgo info", 2, []string{"did you mean log?", "byway config show"}},
		{"config set log loud", 2, []string{"use debug, info, warn or error"}},
		{"config set log info warn", 2, []string{"takes one value, not 2"}},
		{"config set consumer.max-price cheap", 2, []string{`"cheap" is no number of tokens`}},
		{"config set consumer.max-price -- -1", 2, []string{`"-1" is no number of tokens`}},
		{"config set consumer.exclude 10.0.0.1/8", 2, []string{"is no prefix"}},
		{"config set consumer.tun maybe", 2, []string{"neither true nor false"}},
		{"config set provider.max-sessions -- -5", 2, []string{"whole number from 0"}},
		{"config set provider.mode fast", 2, []string{"privileged, userspace or auto"}},
		{"config set home /x", 2, []string{`no key "home"`}},
		{"config set consumer.spend 2", 1, []string{path + ":2", "by hand"}},
		{"config unset consumer.spend", 1, []string{path + ":2", "by hand"}},
		{"config unset consumer.spent", 2, []string{"did you mean consumer.spend?"}},
		{"config unset", 2, []string{"KEY"}},
		{"config sett log info", 2, []string{"did you mean set?"}},
	} {
		r.check(t, "--home", dir)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != before {
		t.Errorf("refused, and the file became %q, %v", got, err)
	}
	long := "# " + strings.Repeat("x", maxConfig-10) + "\n"
	dir, path = configured(t, long)
	refusal{"config set log debug", 1, []string{"longer than 65536 bytes"}}.check(t, "--home", dir)
	if got, err := os.ReadFile(path); err != nil || string(got) != long {
		t.Errorf("a full file was changed, %v", err)
	}
}

// FuzzConfig holds that whatever a file is, it is read or refused, and that an edit of one that is read changes what it was
// to change and nothing else.
func FuzzConfig(f *testing.F) {
	for _, seed := range []string{
		"", "log = \"info\" # x\n[consumer]\nspend = 1.5\n", "consumer.spend = '1'\n[provider]\ndeny=[\n'10.0.0.0/8', # ]\n]\n",
		"x = \"\"\"\n[consumer]\nspend = 1\n\"\"\"\"\n", "consumer = {spend = \"1\"}", "[ \"consumer\" ]\n\"spend\"='''1'''\r\n",
		"a = '#'\nb = \"\\\"#\"\n[x.y]\nz=[[1],[2]]\n", "\"a.b\" = 1\na.b = 2\n", "\"=\" = 1\nlog = 'x'",
	} {
		f.Add([]byte(seed), uint64(1))
	}
	list := settings(newApp(Streams{Out: io.Discard, Err: io.Discard}))
	f.Fuzz(func(t *testing.T, content []byte, seed uint64) {
		file, err := parseConfig("f", content)
		if err != nil {
			return
		}
		_, _ = file.given(list)
		s := list[rand.New(rand.NewPCG(seed, 1)).IntN(len(list))]
		literal := `"v"`
		edited, err := file.with(s.section, s.name, literal)
		if err != nil {
			return
		}
		again, err := parseConfig("f", edited)
		if err != nil || again.values[s.key()] != "v" {
			t.Fatalf("%q with %s became %q, %v", content, s.key(), edited, err)
		}
		gone, err := again.without(s.key())
		if err != nil {
			return
		}
		last, err := parseConfig("f", gone)
		if err != nil {
			t.Fatalf("%q without %s became %q, %v", edited, s.key(), gone, err)
		}
		delete(file.values, s.key())
		if !reflect.DeepEqual(last.values, file.values) {
			t.Fatalf("%q became %q: %v, not %v", content, gone, last.values, file.values)
		}
	})
}
