// Package devchain owns the embedded development chain: go-ethereum's own node, without peers, whose blocks are made
// by this process. It serves the ordinary JSON-RPC over HTTP and WebSocket on one loopback port, so that the code
// under test talks to it exactly as to any public network, and it travels in time and reorganises on request, under
// anvil's method names. Chain id and funded accounts are anvil's too, so either stands in for the other.
//
// The accounts' keys are known to the whole world. Nothing of value belongs on this chain.
package devchain
