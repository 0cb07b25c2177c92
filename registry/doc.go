// Package registry owns offers: what an [Offer] says and which values it may have, its one canonical encoding, the
// provider's signature over it and the host key's signature inside it. Publishing, listing and verifying everybody's are
// package directory's, choosing among them choose's.
//
// An offer is one immutable block, found by the SHA-256 that its provider registered on chain. So a holder of blocks
// can withhold an offer but never change it, and everything that a provider claims is checked here before any other
// part of Byway sees it.
package registry
