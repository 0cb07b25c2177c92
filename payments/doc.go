// Package payments owns the money of a session: what bytes cost, the signed promises that pay for them, the payer who
// gives promises and the payee who accepts them, the view of a channel on chain, and the claims that turn promises into
// tokens. What it must remember through any crash is in package ledger.
//
// One rule holds everywhere and exactly: a session's amount is ceil(price × billed / 2^30), rounded once per session, and a
// promise is the channel's lifetime total, which only ever rises: the sessions' amounts, and what is prepaid for the next.
// What a screen shows, what was signed, what the ledger holds and what the chain pays are the same integers.
//
// A payee keeps one account a channel, for life ([Account]): whatever a payer does with sessions, it does to that.
//
// Order of effects. The payer stores a promise (synced) before anyone sees it, so that a restart never signs a lower
// total. The payee stores a promise (synced) before the session's credit grows, so that nothing is forwarded on the
// strength of a promise that a power cut can take away. A claim is stored before its transaction is sent.
package payments
