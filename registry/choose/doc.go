// Package choose owns a consumer's opinion of providers: what its own sessions measured, kept in a file of its own that
// never leaves the machine, and the choice that follows from it.
//
// Every session yields one reward between 0 and 1. The belief about a provider is a normal distribution: it starts from
// what the market is like on the whole, moves with each reward, and forgets, since lines change. The choice is Thompson
// sampling (Thompson 1933): draw one value from each belief, subtract what the price weighs, take the largest. So a
// provider that might well be the best is tried, and one that is known to be worse is not. What a provider advertises
// plays no part: it costs nothing to write.
package choose
