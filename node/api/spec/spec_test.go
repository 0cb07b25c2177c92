package spec

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

// What the Go was made of is what is described: else a change of openapi.yaml would be described and not served.
func TestWhatIsGeneratedIsOfThisDescription(t *testing.T) {
	t.Parallel()
	config, err := os.ReadFile("generate.yaml")
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(bytes.Join([][]byte{Document, config}, nil))
	if got := fmt.Sprintf("%x", sum); got != strings.TrimSpace(Source) {
		t.Fatalf("generated.go was made of %s, and this is %s: make generate-api", strings.TrimSpace(Source), got)
	}
	generated, err := os.ReadFile("generated.go")
	if err != nil {
		t.Fatal(err)
	}
	// By hand alone are the requests that a stream, a page or no schema answers.
	byHand := map[string]bool{"getEvents": true, "openDoor": true, "getMetrics": true}
	ids := regexp.MustCompile(`(?m)^      operationId: (\w+)$`).FindAllSubmatch(Document, -1)
	if len(ids) < 20 {
		t.Fatalf("%d requests are described", len(ids))
	}
	for _, id := range ids {
		name := string(id[1])
		method := strings.ToUpper(name[:1]) + name[1:]
		if is := bytes.Contains(generated, []byte("\t"+method+"(ctx context.Context, request ")); is == byHand[name] {
			t.Errorf("%s is generated: %t", name, is)
		}
	}
}

// A field that nobody has written a schema for would be taken, and mean nothing.
func TestEverySchemaThatIsPrintedSaysItsVersion(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, m := range regexp.MustCompile(`schema: \{type: string, enum: \["(byway\.[a-z]+/\d+)"\]\}`).FindAllSubmatch(Document, -1) {
		name := string(m[1])
		if seen[name] {
			t.Errorf("%s has more than one shape", name)
		}
		seen[name] = true
	}
	if !seen["byway.status/2"] || !seen["byway.operation/1"] {
		t.Errorf("the schemas are %v", seen)
	}
}
