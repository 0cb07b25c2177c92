// Package gas owns what the contracts cost: it measures the receipt gas of every operation on the embedded chain and on
// anvil, compares it with the committed snapshot and with the ceilings that the design sets, and prints the table of
// the README. It holds tests only.
package gas
