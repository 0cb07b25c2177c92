package cli

import (
	"encoding/json"
	"errors"
	"go/doc"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// allowed says which packages of Byway, with those below them, each of its packages may import, tests apart. The entry
// with the longest path holds. ARCHITECTURE.md has the reasons.
var allowed = map[string][]string{
	"contracts":       {"contracts"},
	"ipfs":            {"ipfs", "contracts/disk"},
	"tunnel":          {"tunnel"},
	"tunnel/route":    {"tunnel", "contracts/disk"},
	"registry":        {"registry", "contracts"},
	"payments":        {"payments", "contracts"},
	"payments/ledger": {"contracts"},
	"node/wire":       {"payments", "tunnel", "contracts"},
	"node/serve":      {"node/wire", "registry", "payments", "tunnel", "ipfs", "contracts"},
	"node":            {"node", "registry", "payments", "tunnel", "ipfs", "contracts"},
	"cli":             {"cli", "node", "registry", "payments", "tunnel", "ipfs", "contracts"},
}

type listedPackage struct {
	ImportPath, Dir string
	GoFiles         []string
	Imports         []string
}

func listPackages(t *testing.T) []listedPackage {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Dir,GoFiles,Imports", "byway/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var list []listedPackage
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listedPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
	if len(list) < 10 {
		t.Fatalf("only %d packages were listed", len(list))
	}
	return list
}

// within reports whether a path is that package's or below it.
func within(path, of string) bool { return path == of || strings.HasPrefix(path, of+"/") }

// rule is the path of the entry of allowed that holds for a package; it is empty where there is none.
func rule(path string) (longest string) {
	for of := range allowed {
		if within(path, of) && len(of) > len(longest) {
			longest = of
		}
	}
	return longest
}

func TestImportsRunOneWay(t *testing.T) {
	t.Parallel()
	for _, p := range listPackages(t) {
		of := rule(strings.TrimPrefix(p.ImportPath, "byway/"))
		if of == "" {
			t.Errorf("%s: who may import whom does not say what it may import", p.ImportPath)
		}
		for _, imported := range p.Imports {
			if strings.HasPrefix(imported, "github.com/ethereum/go-ethereum/cmd/") {
				t.Errorf("%s imports %s, which is under the GPL", p.ImportPath, imported)
			}
			if name, ours := strings.CutPrefix(imported, "byway/"); ours &&
				!slices.ContainsFunc(allowed[of], func(may string) bool { return within(name, may) }) {
				t.Errorf("%s imports %s: %s may import %v alone", p.ImportPath, imported, of, allowed[of])
			}
		}
	}
}

func TestEveryPackageSaysWhatItOwns(t *testing.T) {
	t.Parallel()
	for _, p := range listPackages(t) {
		if strings.Contains(p.ImportPath, "/bindings/") {
			continue // generated
		}
		comment := ""
		for _, name := range p.GoFiles {
			f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil,
				parser.PackageClauseOnly|parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			if f.Doc != nil {
				comment += f.Doc.Text()
			}
		}
		synopsis := new(doc.Package).Synopsis(comment)
		if !strings.HasPrefix(synopsis, "Package ") && !strings.HasPrefix(synopsis, "Command ") {
			t.Errorf("%s has no package comment that begins with \"Package …\"", p.ImportPath)
		}
		if len(comment) < 60 {
			t.Errorf("%s: %q does not say what the package owns", p.ImportPath, strings.TrimSpace(comment))
		}
	}
}
