// Golden vectors of all typed data (EIP-712), made by ethers, which shares no code with the contracts or the Go side:
// domain separator, struct hash, digest and signature for several keys, chains and edge values.
//
// node vectors.mjs           writes vectors.json
// node vectors.mjs --check   makes them again, compares, and recovers every signature, by ethers and by viem
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Signature, SigningKey, TypedDataEncoder, computeAddress, id, verifyTypedData } from "ethers";

const file = join(dirname(fileURLToPath(import.meta.url)), "vectors.json");
const fields = (list) => list.split(",").map((f) => f.split(" ")).map(([type, name]) => ({ name, type }));
const relayed = (list) => fields(`${list},Relay relay`);
const onChannel = relayed("address token,address payer,address signer,address payee");
const types = {
  Promise: fields("address payer,address payee,address token,uint96 cumulative"),
  Reserve: fields("address payer,address payee,address token,uint96 ceiling,uint24 epoch,uint40 validUntil"),
  Release: fields("address token,address payer,address signer,address payee,uint96 ceiling,uint24 epoch,uint40 validUntil"),
  Offer: fields("address provider,address payee,address token,uint96 pricePerGiB,uint64 sequence,uint64 notBefore,uint64 expires,string host,bytes32 body"),
  Open: relayed("address token,address payer,address signer,address payee,uint96 amount,uint96 ceiling"),
  Revoke: onChannel,
  Claim: relayed("address token,address payee,bytes rows"),
  ClaimToVault: relayed("address token,address payee,address signer,bytes rows"),
  StartExit: onChannel,
  CancelExit: onChannel,
  FinishExit: onChannel,
  CloseAndWithdraw: relayed("address token,address payer,address signer,address payee,uint96 ceiling,uint24 epoch,address to"),
  Withdraw: relayed("address token,address payer,address signer,uint96 amount,address to"),
  Register: relayed("address provider,bytes32 digest,uint96 stake"),
  Update: relayed("address provider,bytes32 digest"),
  AddStake: relayed("address provider,uint96 amount"),
  Leave: relayed("address provider"),
  WithdrawStake: relayed("address provider,address to"),
};
const Relay = fields("address relayer,uint96 maxFee,uint256 nonce,uint40 deadline");
const typesOf = (kind) => ({ [kind]: types[kind], ...(types[kind].some((f) => f.type === "Relay") && { Relay }) });
const nameOf = (kind) => (kind === "Offer" ? "Byway Offers" : types[kind][0].name === "provider" ? "Byway Registry" : "Byway Channels");

const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const hex = (n) => "0x" + n.toString(16).padStart(64, "0");
const address = (n) => "0x" + n.toString(16).padStart(40, "0");
// The smallest and the largest key, one of the well-known test mnemonic, and one like any other.
const keys = [hex(1n), hex(order - 1n), "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80", id("byway vectors")];
const chains = [1n, 1337n, 31337n, 10n, 2n ** 53n + 1n, 2n ** 63n - 1n];
const contracts = [address(0x4e59b44847b379578588920ca78fbf26c0b4956cn), address(0xe614n), address(2n ** 160n - 1n)];
const amounts = [0n, 1n, 2n ** 64n, 123456789012345678901n, 2n ** 96n - 2n, 2n ** 96n - 1n];
const epochs = [0n, 1n, 2n ** 24n - 2n, 2n ** 24n - 1n];
const times = [0n, 1800000000n, 2n ** 40n - 1n];
const nonces = [0n, 255n, 256n, 2n ** 256n - 1n];
const words = [hex(0n), hex(2n ** 256n - 1n), id("byway vectors")];
// No row, one byte that is none, one row and two.
const rows = [0, 1, 96, 192].map((length) => "0x" + id("byway rows").slice(2).repeat(6).slice(0, 2 * length));
const accounts = [address(1n), address(2n ** 160n - 1n), ...keys.slice(2).map(computeAddress)];
const pick = (list, i) => list[i % list.length];

// The offer that the registry's own golden block holds, signed by the key that its tests use.
const offer = {
  provider: "0xC933BEDbf03d94Aecc2231E40b040830170f1430",
  payee: "0x177B8fDccc6787D4074050b6d36bF63Dd72aE276",
  token: "0x000000000000000000000000000000000000704e",
  pricePerGiB: 0x11c37937e08000n,
  sequence: 1n,
  notBefore: 0x695735a5n,
  expires: 0x69588725n,
  host: "12D3KooWFAX3g5Hnob5jCuhzucAPNAkEp4GJVP6sRbjHAgR7iCwi",
  body: "0xdc6bde853ced95b6a8eae5970c995a11479aafe21e29f65453cdabb55815c03b",
};

function vector(kind, i, message, { key = pick(keys, i), chainId = pick(chains, i), contract = pick(contracts, i) } = {}) {
  const domain = { name: nameOf(kind), version: "1", chainId, verifyingContract: contract };
  const one = typesOf(kind);
  const digest = TypedDataEncoder.hash(domain, one, message);
  const signature = new SigningKey(key).sign(digest);
  return {
    key, by: computeAddress(key), name: domain.name, chainId: chainId.toString(), contract,
    message: JSON.parse(JSON.stringify(message, (_, v) => (typeof v === "bigint" ? v.toString() : v))),
    separator: TypedDataEncoder.hashDomain(domain),
    structHash: TypedDataEncoder.hashStruct(kind, one, message),
    digest, signature: signature.serialized, compact: signature.compactSerialized,
  };
}

const range = (make, count = 24) => Array.from({ length: count }, (_, i) => make(i));
// What an account lets another send, its terms beside every edge of the action's own fields.
const actions = (kind, make) => range((i) => vector(kind, i, {
  ...make(i, computeAddress(pick(keys, i))),
  relay: { relayer: pick([address(0n), ...accounts], i), maxFee: pick(amounts, i + 1), nonce: pick(nonces, i + (i >> 2)), deadline: pick(times, i + (i >> 1)) },
}), 12);
const channelOf = (i, payer) => ({ token: pick(accounts, i), payer, signer: pick(accounts, i + 1), payee: pick(accounts, i + 2) });
const made = {
  Promise: range((i) => vector("Promise", i, {
    payer: pick(accounts, i), payee: pick(accounts, i + 1), token: pick(accounts, i + 2), cumulative: pick(amounts, i),
  })),
  Reserve: range((i) => vector("Reserve", i, {
    payer: pick(accounts, i), payee: pick(accounts, i + 1), token: pick(accounts, i + 2), ceiling: pick(amounts, i),
    epoch: pick(epochs, i >> 1), validUntil: pick(times, i),
  })),
  Release: range((i) => vector("Release", i, {
    token: pick(accounts, i), payer: pick(accounts, i + 1), signer: pick(accounts, i + 2), payee: computeAddress(pick(keys, i)),
    ceiling: pick(amounts, i), epoch: pick(epochs, i >> 1), validUntil: pick(times, i),
  })),
  Offer: [
    vector("Offer", 0, offer, { key: id("registry test key 1"), chainId: 31337n, contract: address(0xe615n) }),
    ...range((i) => vector("Offer", i, {
      ...offer, provider: computeAddress(pick(keys, i)), pricePerGiB: pick(amounts, i), sequence: pick([0n, 1n, 2n ** 64n - 1n], i),
      host: pick(["", "12D3KooW", "é✓"], i), body: pick([hex(0n), hex(2n ** 256n - 1n), offer.body], i),
    }), 8),
  ],
  Open: actions("Open", (i, by) => ({ ...channelOf(i, by), amount: pick(amounts, i), ceiling: pick(amounts, i + 2) })),
  Revoke: actions("Revoke", channelOf),
  Claim: actions("Claim", (i, by) => ({ token: pick(accounts, i), payee: by, rows: pick(rows, i) })),
  ClaimToVault: actions("ClaimToVault", (i, by) => ({
    token: pick(accounts, i), payee: by, signer: pick(accounts, i + 1), rows: pick(rows, i),
  })),
  StartExit: actions("StartExit", channelOf),
  CancelExit: actions("CancelExit", channelOf),
  FinishExit: actions("FinishExit", channelOf),
  CloseAndWithdraw: actions("CloseAndWithdraw", (i, by) => ({
    ...channelOf(i, by), ceiling: pick(amounts, i), epoch: pick(epochs, i >> 1), to: pick(accounts, i + 3),
  })),
  Withdraw: actions("Withdraw", (i, by) => ({
    token: pick(accounts, i), payer: by, signer: pick(accounts, i + 1), amount: pick(amounts, i), to: pick(accounts, i + 2),
  })),
  Register: actions("Register", (i, by) => ({ provider: by, digest: pick(words, i), stake: pick(amounts, i) })),
  Update: actions("Update", (i, by) => ({ provider: by, digest: pick(words, i) })),
  AddStake: actions("AddStake", (i, by) => ({ provider: by, amount: pick(amounts, i) })),
  Leave: actions("Leave", (i, by) => ({ provider: by })),
  WithdrawStake: actions("WithdrawStake", (i, by) => ({ provider: by, to: pick(accounts, i) })),
};

const text = JSON.stringify(made, null, 1) + "\n";
if (!process.argv.includes("--check")) {
  writeFileSync(file, text);
} else {
  if (readFileSync(file, "utf8") !== text) {
    console.error("vectors.json is not what ethers makes: run node vectors/vectors.mjs");
    process.exit(1);
  }
  // A second library, which wallets and sites use as much; it hashes by its own code.
  const viem = await import("viem");
  let checked = 0;
  for (const [kind, list] of Object.entries(JSON.parse(text))) {
    const types = typesOf(kind);
    for (const v of list) {
      const domain = { name: v.name, version: "1", chainId: BigInt(v.chainId), verifyingContract: v.contract };
      const typed = { domain, types, primaryType: kind, message: v.message };
      const expanded = viem.serializeSignature(viem.compactSignatureToSignature(viem.parseCompactSignature(v.compact)));
      const found = [
        ["ethers", verifyTypedData(domain, types, v.message, v.signature), v.by],
        ["ethers, of the compact form", verifyTypedData(domain, types, v.message, Signature.from(v.compact)), v.by],
        ["viem", await viem.recoverTypedDataAddress({ ...typed, signature: v.signature }), v.by],
        ["viem, of the compact form", await viem.recoverTypedDataAddress({ ...typed, signature: expanded }), v.by],
        ["viem, of the digest", viem.hashTypedData(typed), v.digest],
        ["viem, of the struct", viem.hashStruct({ data: v.message, types, primaryType: kind }), v.structHash],
        ["viem, of the domain", viem.domainSeparator({ domain }), v.separator],
      ];
      for (const [by, is, wanted] of found.filter(([, is, wanted]) => is !== wanted)) {
        console.error(`${kind} ${v.digest}: ${by}: ${is}, not ${wanted}`);
        process.exit(1);
      }
      checked++;
    }
  }
  console.log(`ethers and viem: ${checked} vectors`);
}
