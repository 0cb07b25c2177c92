// Package spec owns the description of the local API, openapi.yaml, and the Go that is generated from it: one type for each
// schema, the interface that a server implements, and a client. Package api serves it and dials it.
package spec

import _ "embed" // the description is served beside the API that it describes

// Document is the description: OpenAPI 3.1, in YAML.
//
//go:embed openapi.yaml
var Document []byte

// Source is the SHA-256 of the openapi.yaml that generated.go was made of, and of generate.yaml behind it.
//
//go:embed generated.sum
var Source string
