// Package payments owns the words of a session's money, which both sides sign and store: the promise, the reserve and the
// release with the contract that they are signed for, what bytes cost, a session's terms and its counters. It knows nobody
// below it. What must be remembered is in package ledger, what the chain says of a channel in chainview, how often a
// promise is made and how much may go unpaid in pace; the two sides are payer and payee; claim turns promises into tokens,
// and audit holds a ledger against what it can't know itself.
//
// One rule holds everywhere and exactly: a session's amount is ceil(price × billed / 2^30), rounded once per session, and a
// promise is the channel's lifetime total, which only ever rises: the sessions' amounts, and what is prepaid for the next.
// What a screen shows, what was signed, what the ledger holds and what the chain pays are the same integers.
//
// Order of effects. The payer stores a promise (synced) before anyone sees it, so that a restart never signs a lower
// total. The payee stores a promise (synced) before the session's credit grows, so that nothing is forwarded on the
// strength of a promise that a power cut can take away. A claim is stored before its transaction is sent.
package payments
