// Golden vectors of all typed data (EIP-712), made by ethers, which shares no code with the contracts or the Go side:
// domain separator, struct hash, digest and signature for several keys, chains and edge values.
//
// node vectors.mjs           writes vectors.json
// node vectors.mjs --check   makes them again, compares, and recovers every signature
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Signature, SigningKey, TypedDataEncoder, computeAddress, id, verifyTypedData } from "ethers";

const file = join(dirname(fileURLToPath(import.meta.url)), "vectors.json");
const fields = (list) => list.split(",").map((f) => f.split(" ")).map(([type, name]) => ({ name, type }));
const types = {
  Promise: fields("address payer,address payee,address token,uint96 cumulative"),
  Reserve: fields("address payer,address payee,address token,uint96 ceiling,uint24 epoch,uint40 validUntil"),
  Release: fields("address token,address payer,address signer,address payee,uint96 ceiling,uint24 epoch,uint40 validUntil"),
  Offer: fields("address provider,address payee,address token,uint96 pricePerGiB,uint64 sequence,uint64 notBefore,uint64 expires,string host,bytes32 body"),
};

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
  const domain = { name: kind === "Offer" ? "Byway Offers" : "Byway Channels", version: "1", chainId, verifyingContract: contract };
  const one = { [kind]: types[kind] };
  const digest = TypedDataEncoder.hash(domain, one, message);
  const signature = new SigningKey(key).sign(digest);
  return {
    key, by: computeAddress(key), name: domain.name, chainId: chainId.toString(), contract,
    message: Object.fromEntries(Object.entries(message).map(([k, v]) => [k, typeof v === "bigint" ? v.toString() : v])),
    separator: TypedDataEncoder.hashDomain(domain),
    structHash: TypedDataEncoder.hashStruct(kind, one, message),
    digest, signature: signature.serialized, compact: signature.compactSerialized,
  };
}

const count = 24;
const range = (make) => Array.from({ length: count }, (_, i) => make(i));
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
    })).slice(0, 8),
  ],
};

const text = JSON.stringify(made, null, 1) + "\n";
if (!process.argv.includes("--check")) {
  writeFileSync(file, text);
} else {
  if (readFileSync(file, "utf8") !== text) {
    console.error("vectors.json is not what ethers makes: run node vectors/vectors.mjs");
    process.exit(1);
  }
  let checked = 0;
  for (const [kind, list] of Object.entries(JSON.parse(text))) {
    for (const v of list) {
      const domain = { name: v.name, version: "1", chainId: BigInt(v.chainId), verifyingContract: v.contract };
      for (const signature of [v.signature, Signature.from(v.compact)]) {
        if (verifyTypedData(domain, { [kind]: types[kind] }, v.message, signature) !== v.by) {
          console.error(`${kind}: the signature of ${v.digest} is not by ${v.by}`);
          process.exit(1);
        }
      }
      checked++;
    }
  }
  console.log(`ethers: ${checked} vectors`);
}
