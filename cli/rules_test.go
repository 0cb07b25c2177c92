package cli

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A room is a package with a line of its own in the linter's configuration, which says what of Byway it may import, tests
// apart. What is below it without such a line goes by its line.
type room struct{ allow []string }

var roomLine = regexp.MustCompile(`(?m)^        ([a-z/]+): (?:&room )?\{.*files: \[.*\], allow: \[(.*)\]\}$`)

func rooms(t *testing.T) map[string]room {
	t.Helper()
	text, err := os.ReadFile("../.golangci.yml")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]room{}
	for _, m := range roomLine.FindAllStringSubmatch(string(text), -1) {
		r := room{}
		for name := range strings.SplitSeq(m[2], ",") {
			if name = strings.TrimSpace(name); name != "" {
				r.allow = append(r.allow, strings.TrimPrefix(name, "byway/"))
			}
		}
		if !strings.Contains(m[0], `"**/`+m[1]+`/*.go"`) {
			t.Errorf("the line of %s is not about its files", m[1])
		}
		all[m[1]] = r
	}
	return all
}

// may reports whether a package may be imported: a "$" ends a name, else what is below it may be too.
func (r room) may(name string) bool {
	return slices.ContainsFunc(r.allow, func(of string) bool {
		exact, ends := strings.CutSuffix(of, "$")
		return name == exact || !ends && within(name, of)
	})
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

// oneLine are rooms whose packages have one line.
var oneLine = []string{"contracts/bindings", "contracts/chain", "contracts/disk", "ipfs", "tunnel/underlay"}

func TestImportsRunOneWay(t *testing.T) {
	t.Parallel()
	all := rooms(t)
	seen := map[string]bool{}
	for _, p := range listPackages(t) {
		name := strings.TrimPrefix(p.ImportPath, "byway/")
		for _, of := range oneLine {
			if within(name, of) {
				name = of
			}
		}
		r, ok := all[name]
		if !ok {
			t.Errorf("%s has no line in .golangci.yml that says what it may import", p.ImportPath)
			continue
		}
		seen[name] = true
		for _, imported := range p.Imports {
			if strings.HasPrefix(imported, "github.com/ethereum/go-ethereum/cmd/") {
				t.Errorf("%s imports %s, which is under the GPL", p.ImportPath, imported)
			}
			if of, ours := strings.CutPrefix(imported, "byway/"); ours && !r.may(of) {
				t.Errorf("%s imports %s: it may import %v alone", p.ImportPath, imported, r.allow)
			}
		}
	}
	for name := range all {
		if !seen[name] {
			t.Errorf(".golangci.yml has a line for %s, which is no package", name)
		}
	}
	circle(t, all)
}

// circle makes sure that what rooms may import leads to none of them back.
func circle(t *testing.T, all map[string]room) {
	t.Helper()
	var reach func(from string, way []string)
	reach = func(from string, way []string) {
		if slices.Contains(way, from) {
			t.Fatalf("who may import whom goes in a circle: %v", append(way, from))
		}
		for to := range all {
			if to != from && all[from].may(to) && !within(to, from) {
				reach(to, append(slices.Clone(way), from))
			}
		}
	}
	for from := range all {
		reach(from, nil)
	}
}

// A room has at most so many files in one build, and so many exported names, of which an enumeration counts once.
const (
	mostFiles = 10
	mostNames = 30
)

// larger are the packages that may be, each for a reason.
var larger = map[string]string{
	"cli":                       "one file for each command",
	"node/wire":                 "one name for each frame and extension of the protocol",
	"contracts/chain":           "to be cut into sending, following and asking",
	"contracts/chain/chaintest": "for tests: one name for each fault",
}

func TestRoomsAreSmall(t *testing.T) {
	t.Parallel()
	for _, p := range listPackages(t) {
		name := strings.TrimPrefix(p.ImportPath, "byway/")
		if within(name, "contracts/bindings") {
			continue // generated
		}
		names := exported(t, p)
		over := len(p.GoFiles) > mostFiles || len(names) > mostNames
		if _, may := larger[name]; over && !may {
			t.Errorf("%s has %d files and %d exported names, more than %d and %d: %v", p.ImportPath, len(p.GoFiles), len(names),
				mostFiles, mostNames, names)
		} else if may && !over {
			t.Errorf("%s is no larger than others any more", p.ImportPath)
		}
	}
}

// exported lists a package's exported names at the top level, those of one enumeration by its type alone.
func exported(t *testing.T, p listedPackage) (names []string) {
	t.Helper()
	add := func(id *ast.Ident) {
		if id.IsExported() {
			names = append(names, id.Name)
		}
	}
	for _, file := range p.GoFiles {
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, file), nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		if ast.IsGenerated(f) {
			continue
		}
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil {
					add(d.Name)
				}
			case *ast.GenDecl:
				enumeration := false // of a type of ours, begun by an earlier line of the group
				for _, s := range d.Specs {
					switch s := s.(type) {
					case *ast.TypeSpec:
						add(s.Name)
					case *ast.ValueSpec:
						if s.Type != nil {
							of, local := s.Type.(*ast.Ident)
							enumeration = d.Tok == token.CONST && local && of.IsExported()
						} else if len(s.Values) > 0 {
							enumeration = false
						}
						if !enumeration {
							for _, id := range s.Names {
								add(id)
							}
						}
					}
				}
			}
		}
	}
	return names
}

// Paths in the documents are those of files that there are.
func TestDocumentsNameWhatThereIs(t *testing.T) {
	t.Parallel()
	docs, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	path := regexp.MustCompile("`((?:cli|contracts|deploy|docs|ipfs|node|payments|registry|tunnel)/[\\w./-]+)`")
	for _, doc := range append(docs, "../README.md", "../ARCHITECTURE.md", "../CONTRIBUTING.md") {
		text, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range path.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join("..", m[1])); err != nil {
				t.Errorf("%s names %s: %v", filepath.Base(doc), m[1], err)
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
