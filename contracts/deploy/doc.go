// Package deploy owns how the contracts get onto a chain and how a node knows that they are the ones it was built for.
//
// Every contract is created through the deterministic deployment factory that most chains carry, with one fixed salt,
// so that its address follows from its code and its parameters alone: it is the same on every chain, deploying twice is
// deploying once, and who deployed does not matter. Nobody keeps any power over the contracts afterwards.
//
// The folder artifacts holds what the pinned compiler made of the Solidity sources, and the compiler's standard JSON
// input for verifying them elsewhere. The file book.json says where development deployments are.
package deploy
