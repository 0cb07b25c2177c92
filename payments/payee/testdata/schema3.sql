-- The ledger as it was until its fourth step (PRAGMA user_version 3): never changed, since such files exist.
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
