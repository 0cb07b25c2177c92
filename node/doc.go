// Package node owns the daemon: the provider's life (provider.go, from key to claimed token), the consumer's life
// (consumer.go, from deposit to receipt), a node's folder and the local API. It puts the other packages together and is
// the only one that knows them all.
package node
