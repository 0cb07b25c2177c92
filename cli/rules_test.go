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

// allowed says which packages of Byway each of its top-level packages may import, tests apart. ARCHITECTURE.md has the
// reasons.
var allowed = map[string][]string{
	"contracts": {"contracts"},
	"ipfs":      {"ipfs"},
	"tunnel":    {"tunnel"},
	"registry":  {"registry", "contracts"},
	"payments":  {"payments", "contracts"},
	"node":      {"node", "registry", "payments", "tunnel", "ipfs", "contracts"},
	"cli":       {"cli", "node", "registry", "payments", "tunnel", "ipfs", "contracts"},
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

// top is the top-level package that an import path belongs to, "" for other modules.
func top(path string) string {
	rest, ok := strings.CutPrefix(path, "byway/")
	if !ok {
		return ""
	}
	name, _, _ := strings.Cut(rest, "/")
	return name
}

func TestImportsRunOneWay(t *testing.T) {
	t.Parallel()
	for _, p := range listPackages(t) {
		may, known := allowed[top(p.ImportPath)]
		if !known {
			t.Errorf("%s: %q is no top-level package of Byway", p.ImportPath, top(p.ImportPath))
		}
		for _, imported := range p.Imports {
			if strings.HasPrefix(imported, "github.com/ethereum/go-ethereum/cmd/") {
				t.Errorf("%s imports %s, which is under the GPL", p.ImportPath, imported)
			}
			if name := top(imported); name != "" && !slices.Contains(may, name) {
				t.Errorf("%s imports %s: %s may import %v alone", p.ImportPath, imported, top(p.ImportPath), may)
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
