// Package vectors owns the golden vectors of the typed data that people and keys sign: made by ethers (vectors.mjs),
// they are checked by Go here, by Solidity in test/Vectors.t.sol, and by ethers again and viem.
package vectors
