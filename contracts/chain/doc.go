// Package chain owns Byway's dealings with an EVM chain: a client over one or several JSON-RPC endpoints that may lag,
// lie or fail, a sender that never sends the same transaction twice, and a follower that delivers contract events
// through reorganisations. Sender and follower keep what they must not forget in a journal on disk.
//
// It knows no contract: generated bindings take a [Client] as their backend.
package chain
