package ledger

import (
	"context"
	"database/sql"
)

// migrations build the ledger's schema, one step each; PRAGMA user_version counts the steps done. A step that has
// been released is never changed.
//
// Amounts are 12-byte big-endian blobs: exact, and they sort as numbers do. Times are Unix milliseconds. Bytes are
// counts below 2^63. Role 1 is the payer's side of a channel or session, 2 the payee's.
//
// Every row ends in a checksum (checksum.go).
//
// Always, in both roles: channel.total = channel.other + channel.credit + past.amount + the sum of its sessions' amounts
// = the sum of its book's amounts; and what a day says is what the books of that day add up to.
var migrations = []string{
	`
CREATE TABLE channel (
  id         INTEGER PRIMARY KEY,
  role       INTEGER NOT NULL CHECK (role IN (1, 2)),
  chain_id   INTEGER NOT NULL,
  contract   BLOB NOT NULL CHECK (length(contract) = 20),
  token      BLOB NOT NULL CHECK (length(token) = 20),
  payer      BLOB NOT NULL CHECK (length(payer) = 20),
  signer     BLOB NOT NULL CHECK (length(signer) = 20),
  payee      BLOB NOT NULL CHECK (length(payee) = 20),
  total      BLOB NOT NULL CHECK (length(total) = 12),   -- highest promise given or received
  sig        BLOB NOT NULL CHECK (length(sig) IN (0, 64)), -- its signature; empty while total is zero
  other      BLOB NOT NULL CHECK (length(other) = 12),   -- the part of total that no recorded session has paid
  settled    BLOB NOT NULL CHECK (length(settled) = 12), -- as last read from the chain, in that block
  settled_block INTEGER NOT NULL DEFAULT 0,
  owed_since INTEGER,                                    -- null while nothing is owed
  changed_at INTEGER NOT NULL,
  UNIQUE (role, chain_id, contract, token, payer, signer, payee)
) STRICT;
CREATE INDEX channel_owed ON channel (owed_since) WHERE role = 2 AND owed_since IS NOT NULL;
CREATE TABLE session (
  id        INTEGER PRIMARY KEY,
  role      INTEGER NOT NULL CHECK (role IN (1, 2)),
  session   BLOB NOT NULL CHECK (length(session) = 16),
  channel   INTEGER NOT NULL REFERENCES channel (id),
  offer     TEXT NOT NULL,
  price     BLOB NOT NULL CHECK (length(price) = 12),
  tick      INTEGER NOT NULL,
  win       INTEGER NOT NULL,
  amount    BLOB NOT NULL CHECK (length(amount) = 12),   -- what this session has paid
  promises  INTEGER NOT NULL DEFAULT 0,
  rx        INTEGER NOT NULL DEFAULT 0,                  -- final counters, of this side
  tx        INTEGER NOT NULL DEFAULT 0,
  peer_rx   INTEGER NOT NULL DEFAULT 0,
  opened_at INTEGER NOT NULL,
  closed_at INTEGER,
  UNIQUE (role, session)
) STRICT;
CREATE INDEX session_channel ON session (channel);
CREATE TABLE claim (
  id         INTEGER PRIMARY KEY,
  intent     TEXT NOT NULL UNIQUE,                       -- the transaction's idempotency key
  chain_id   INTEGER NOT NULL,
  contract   BLOB NOT NULL CHECK (length(contract) = 20),
  token      BLOB NOT NULL CHECK (length(token) = 20),
  payee      BLOB NOT NULL CHECK (length(payee) = 20),
  state      INTEGER NOT NULL CHECK (state IN (1, 2, 3)), -- sending, settled, failed
  tx         BLOB,
  block      INTEGER,
  paid       BLOB NOT NULL CHECK (length(paid) = 12),
  gas        INTEGER NOT NULL DEFAULT 0,
  fee        TEXT NOT NULL DEFAULT '0',                  -- wei, decimal
  reason     TEXT NOT NULL DEFAULT '',
  created_at INTEGER NOT NULL,
  done_at    INTEGER
) STRICT;
CREATE TABLE claim_row (
  claim      INTEGER NOT NULL REFERENCES claim (id),
  channel    INTEGER NOT NULL REFERENCES channel (id),
  cumulative BLOB NOT NULL CHECK (length(cumulative) = 12),
  before     BLOB NOT NULL CHECK (length(before) = 12),  -- settled when the claim was made
  row        BLOB NOT NULL CHECK (length(row) = 96),
  PRIMARY KEY (claim, channel)
) STRICT, WITHOUT ROWID;
`,
	`
CREATE TABLE day (
  day      INTEGER NOT NULL,                             -- days since 1970-01-01 UTC
  role     INTEGER NOT NULL CHECK (role IN (1, 2)),
  token    BLOB NOT NULL CHECK (length(token) = 20),
  sessions INTEGER NOT NULL DEFAULT 0,                   -- closed on that day, with all that they came to
  promises INTEGER NOT NULL DEFAULT 0,
  rx       INTEGER NOT NULL DEFAULT 0,
  tx       INTEGER NOT NULL DEFAULT 0,
  amount   BLOB NOT NULL CHECK (length(amount) = 12),
  PRIMARY KEY (day, role, token)
) STRICT, WITHOUT ROWID;
CREATE TABLE release (
  channel     INTEGER PRIMARY KEY REFERENCES channel (id), -- the lowest ceiling signed away in its epoch
  ceiling     BLOB NOT NULL CHECK (length(ceiling) = 12),
  epoch       INTEGER NOT NULL,
  valid_until INTEGER NOT NULL
) STRICT;
CREATE TABLE reserve (
  channel     INTEGER PRIMARY KEY REFERENCES channel (id), -- the highest that the payer has signed
  ceiling     BLOB NOT NULL CHECK (length(ceiling) = 12),
  epoch       INTEGER NOT NULL,
  valid_until INTEGER NOT NULL,
  sig         BLOB NOT NULL CHECK (length(sig) = 64)
) STRICT;
`,
	`
ALTER TABLE channel ADD COLUMN sum BLOB NOT NULL DEFAULT x''; -- over the table's name and all other columns
UPDATE channel SET sum = byway_row_sum('channel', id, role, chain_id, contract, token, payer, signer, payee, total,
  sig, other, settled, settled_block, owed_since, changed_at);
ALTER TABLE session ADD COLUMN sum BLOB NOT NULL DEFAULT x'';
UPDATE session SET sum = byway_row_sum('session', id, role, session, channel, offer, price, tick, win, amount,
  promises, rx, tx, peer_rx, opened_at, closed_at);
ALTER TABLE claim ADD COLUMN sum BLOB NOT NULL DEFAULT x'';
UPDATE claim SET sum = byway_row_sum('claim', id, intent, chain_id, contract, token, payee, state, tx, block, paid,
  gas, fee, reason, created_at, done_at);
ALTER TABLE claim_row ADD COLUMN sum BLOB NOT NULL DEFAULT x'';
UPDATE claim_row SET sum = byway_row_sum('claim_row', claim, channel, cumulative, before, row);
ALTER TABLE day ADD COLUMN sum BLOB NOT NULL DEFAULT x'';
UPDATE day SET sum = byway_row_sum('day', day, role, token, sessions, promises, rx, tx, amount);
ALTER TABLE release ADD COLUMN sum BLOB NOT NULL DEFAULT x'';
UPDATE release SET sum = byway_row_sum('release', channel, ceiling, epoch, valid_until);
ALTER TABLE reserve ADD COLUMN sum BLOB NOT NULL DEFAULT x'';
UPDATE reserve SET sum = byway_row_sum('reserve', channel, ceiling, epoch, valid_until, sig);
`,
	// A row whose checksum is wrong stays so. What was read before counts as old: the chain is asked again.
	`
ALTER TABLE channel ADD COLUMN settled_hash BLOB NOT NULL DEFAULT x'';    -- of settled_block, as it was read
ALTER TABLE channel ADD COLUMN settled_time INTEGER NOT NULL DEFAULT 0;   -- of settled_block
ALTER TABLE channel ADD COLUMN settled_at INTEGER NOT NULL DEFAULT 0;     -- when it was read
ALTER TABLE channel ADD COLUMN recheck_at INTEGER NOT NULL DEFAULT 0;     -- when it is read again, though nothing is owed
UPDATE channel SET sum = byway_row_sum('channel', id, role, chain_id, contract, token, payer, signer, payee, total,
  sig, other, settled, settled_block, owed_since, changed_at, settled_hash, settled_time, settled_at, recheck_at)
  WHERE sum = byway_row_sum('channel', id, role, chain_id, contract, token, payer, signer, payee, total, sig, other,
  settled, settled_block, owed_since, changed_at);
CREATE INDEX channel_recheck ON channel (recheck_at) WHERE role = 2 AND owed_since IS NULL;
CREATE TABLE reading (
  channel INTEGER PRIMARY KEY REFERENCES channel (id), -- what the payee last read of it on the chain
  settled BLOB NOT NULL CHECK (length(settled) = 12),
  ceiling BLOB NOT NULL CHECK (length(ceiling) = 12),
  epoch   INTEGER NOT NULL,
  exit_at INTEGER,                                     -- by the chain's clock
  block   INTEGER NOT NULL,
  hash    BLOB NOT NULL,
  time    INTEGER NOT NULL,                            -- of the block
  since   INTEGER NOT NULL,                            -- time of the block that is deep enough for the ceiling
  read_at INTEGER NOT NULL,                            -- by this machine's clock
  sum     BLOB NOT NULL DEFAULT x''
) STRICT;
`,
	// The payee's books begin where a channel stands: what it was promised before is neither at risk nor a credit.
	`
ALTER TABLE channel ADD COLUMN credit BLOB NOT NULL DEFAULT x'000000000000000000000000' CHECK (length(credit) = 12);
ALTER TABLE channel ADD COLUMN base BLOB NOT NULL DEFAULT x'000000000000000000000000' CHECK (length(base) = 12);
ALTER TABLE channel ADD COLUMN counted BLOB NOT NULL DEFAULT x'000000000000000000000000' CHECK (length(counted) = 12);
ALTER TABLE channel ADD COLUMN granted BLOB NOT NULL DEFAULT x'000000000000000000000000' CHECK (length(granted) = 12);
ALTER TABLE channel ADD COLUMN lost BLOB NOT NULL DEFAULT x'000000000000000000000000' CHECK (length(lost) = 12);
ALTER TABLE channel ADD COLUMN win INTEGER NOT NULL DEFAULT 0;          -- bytes that may be forwarded unpaid
ALTER TABLE channel ADD COLUMN forgiven_at INTEGER NOT NULL DEFAULT 0;  -- when a crash was last held against nobody
UPDATE channel SET base = CASE role WHEN 2 THEN total ELSE base END,
  sum = byway_row_sum('channel', id, role, chain_id, contract, token, payer, signer, payee, total, sig, other, settled,
  settled_block, owed_since, changed_at, settled_hash, settled_time, settled_at, recheck_at, credit,
  CASE role WHEN 2 THEN total ELSE base END, counted, granted, lost, win, forgiven_at)
  WHERE sum = byway_row_sum('channel', id, role, chain_id, contract, token, payer, signer, payee, total, sig, other,
  settled, settled_block, owed_since, changed_at, settled_hash, settled_time, settled_at, recheck_at);
CREATE TABLE loss (
  id      INTEGER PRIMARY KEY,
  channel INTEGER NOT NULL REFERENCES channel (id),
  at      INTEGER NOT NULL,
  amount  BLOB NOT NULL CHECK (length(amount) = 12),   -- forwarded or promised, and not to be had
  sum     BLOB NOT NULL DEFAULT x''
) STRICT;
CREATE INDEX loss_at ON loss (at);
`,
	// What is promised is booked on the day of its arrival. carryOver fills the tables.
	`
ALTER TABLE session ADD COLUMN ending INTEGER NOT NULL DEFAULT 0;       -- how it ended: see Ending
UPDATE session SET sum = byway_row_sum('session', id, role, session, channel, offer, price, tick, win, amount,
  promises, rx, tx, peer_rx, opened_at, closed_at, ending)
  WHERE sum = byway_row_sum('session', id, role, session, channel, offer, price, tick, win, amount, promises, rx, tx,
  peer_rx, opened_at, closed_at);
CREATE INDEX session_closed ON session (closed_at) WHERE closed_at IS NOT NULL;
ALTER TABLE day ADD COLUMN carried BLOB NOT NULL DEFAULT x'000000000000000000000000' CHECK (length(carried) = 12);
CREATE TABLE book (
  channel  INTEGER NOT NULL REFERENCES channel (id),
  day      INTEGER NOT NULL,                             -- as in day; 0: all earlier ones together
  sessions INTEGER NOT NULL,                             -- that ended
  promises INTEGER NOT NULL,
  rx       INTEGER NOT NULL,
  tx       INTEGER NOT NULL,
  amount   BLOB NOT NULL CHECK (length(amount) = 12),    -- by how much the channel's total rose
  carried  BLOB NOT NULL CHECK (length(carried) = 12),   -- the part of it that was promised before
  sum      BLOB NOT NULL,
  PRIMARY KEY (channel, day)
) STRICT, WITHOUT ROWID;
CREATE INDEX book_day ON book (day);
CREATE TABLE past (
  channel  INTEGER PRIMARY KEY REFERENCES channel (id),  -- what its sessions came to that have no row any more
  sessions INTEGER NOT NULL,
  promises INTEGER NOT NULL,
  rx       INTEGER NOT NULL,
  tx       INTEGER NOT NULL,
  amount   BLOB NOT NULL CHECK (length(amount) = 12),
  carried  BLOB NOT NULL CHECK (length(carried) = 12),   -- zero
  sum      BLOB NOT NULL
) STRICT;
CREATE TABLE entry (
  id     INTEGER PRIMARY KEY,
  claim  INTEGER NOT NULL REFERENCES claim (id),
  day    INTEGER NOT NULL,                               -- on which it was seen mined, or undone
  undone INTEGER NOT NULL CHECK (undone IN (0, 1)),
  paid   BLOB NOT NULL CHECK (length(paid) = 12),
  fee    TEXT NOT NULL,                                  -- wei, decimal
  sum    BLOB NOT NULL DEFAULT x''
) STRICT;
CREATE INDEX entry_claim ON entry (claim);
INSERT INTO entry (claim, day, undone, paid, fee)
  SELECT id, max(1, done_at / 86400000), 0, paid, fee FROM claim WHERE state = 2 ORDER BY id;
UPDATE entry SET sum = byway_row_sum('entry', id, claim, day, undone, paid, fee);
`,
}

// fills are what SQL can't do of a step, in its transaction.
var fills = map[int]func(context.Context, *sql.Conn) error{6: carryOver}
