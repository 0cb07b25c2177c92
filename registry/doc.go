// Package registry owns offers: what an [Offer] says and which values it may have, its one canonical encoding, the
// provider's signature over it and the host key's signature inside it, publishing one through a block store and the
// Registry contract, listing and verifying everybody's, and choosing among them.
//
// An offer is one immutable block, found by the SHA-256 that its provider registered on chain. So a holder of blocks
// can withhold an offer but never change it, and everything that a provider claims is checked here before any other
// part of Byway sees it. An offer that fails a check is skipped with its reason, never silently.
//
// The package declares the two-method block store that it needs, [Blobs]; the chain is go-ethereum's own interfaces.
package registry
