// Package contracts owns what the parts of Byway share about the chain: the Solidity sources beside this file, token
// amounts as the contracts keep them, the identities of vaults and channels, and the signer that every signature
// comes from. The generated bindings, the client that talks to a chain and the embedded chain for devnets live in the
// packages below it. It imports no other part of Byway.
package contracts
