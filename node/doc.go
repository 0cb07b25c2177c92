// Package node opens a home's rooms in their order and answers for them on the local API: a provider with its home, a
// consumer with its home, their metrics, and copies of a ledger. It knows all of the rooms; what each does is theirs.
package node
