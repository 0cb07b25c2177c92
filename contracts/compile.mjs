// Compiles the sources with the pinned solc-js and writes what the Go side needs, always byte for byte the same:
//
//   deploy/artifacts/<Contract>.json   abi, creation code, runtime code and where its immutables stand
//   deploy/artifacts/input.json        the compiler's standard JSON input, for verifying the source elsewhere
//   deploy/artifacts/<Contract>.abi.json, .layout.json   for review: interface and storage layout
//   deploy/artifacts/sizes.json        for review: bytes of code
//   gas/testdata/                      the tokens that gas is measured with, and a prototype that is never deployed
//   build/abigen/                      what abigen reads; not committed
//
// node compile.mjs [--check]: with --check nothing is written and a difference is an error.
import { mkdirSync, readFileSync, writeFileSync, existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { createRequire } from "node:module";

const root = dirname(fileURLToPath(import.meta.url));
const require = createRequire(import.meta.url);
const solc = require("solc");
const check = process.argv.includes("--check");

// Source names are the paths from this folder; packages keep their npm names.
const own = (name) => name.startsWith("src/") || name.startsWith("test/");
const read = (name) => readFileSync(own(name) ? join(root, name) : join(root, "node_modules", name), "utf8");

const entries = ["src/Channels.sol", "src/DevToken.sol", "src/Registry.sol"];

// The settings stand in settings.json alone, and foundry.toml repeats them: change both.
const settings = JSON.parse(readFileSync(join(root, "settings.json"), "utf8"));

// All sources are named in the input, sorted, so that it can be handed to a verifier as it is.
function sources(entries) {
  const found = new Map();
  const visit = (name) => {
    if (found.has(name)) return;
    const content = read(name);
    found.set(name, { content });
    for (const [, from] of content.matchAll(/^import\s[^"']*["']([^"']+)["'];/gm)) {
      visit(from.startsWith(".") ? join(dirname(name), from) : from);
    }
  };
  entries.forEach(visit);
  return Object.fromEntries([...found].sort(([a], [b]) => (a < b ? -1 : 1)));
}

const inputOf = (entries) => ({
  language: "Solidity",
  sources: sources(entries),
  settings: {
    ...settings,
    outputSelection: {
      "*": {
        "*": [
          "abi",
          "evm.bytecode.object",
          "evm.deployedBytecode.object",
          "evm.deployedBytecode.immutableReferences",
          "storageLayout",
        ],
        "": ["ast"],
      },
    },
  },
});

// 2394: transient storage, used by OpenZeppelin's reentrancy lock as the warning recommends. 6335: `leave` is a name
// that Solidity 0.9 keeps for itself; 0.8 is what is pinned here. 2424: solady marks its assembly in the older of two ways.
const known = new Set(["2394", "6335", "2424"]);
function compile(input) {
  const output = JSON.parse(solc.compile(JSON.stringify(input)));
  let failed = false;
  for (const e of output.errors ?? []) {
    if (known.has(e.errorCode)) continue;
    console.error(e.formattedMessage);
    failed ||= e.severity === "error" || e.sourceLocation?.file?.startsWith("src/");
  }
  if (failed) process.exit(1);
  return output;
}

const input = inputOf(entries);
const output = compile(input);

// Immutables are known to the compiler by the number of their declaration in the syntax tree.
const names = new Map();
(function walk(node) {
  if (Array.isArray(node)) return node.forEach(walk);
  if (!node || typeof node !== "object") return;
  if (node.nodeType === "VariableDeclaration" && node.mutability === "immutable") names.set(String(node.id), node.name);
  Object.values(node).forEach(walk);
})(Object.values(output.sources).map((s) => s.ast));

let stale = 0;
function emit(path, text) {
  const file = join(root, path);
  const before = existsSync(file) ? readFileSync(file, "utf8") : "";
  if (before === text) return;
  if (check) {
    console.error(`${path} is not what the sources give: run make -C contracts generate`);
    stale++;
    return;
  }
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

const json = (v) => JSON.stringify(v, null, 2) + "\n";
const sizes = {};
for (const name of entries) {
  const contract = name.slice("src/".length, -".sol".length);
  const out = output.contracts[name][contract];
  const runtime = out.evm.deployedBytecode;
  const immutables = Object.fromEntries(
    Object.entries(runtime.immutableReferences ?? {})
      .map(([id, refs]) => [names.get(id), refs.map((r) => r.start).sort((a, b) => a - b)])
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
  emit(`deploy/artifacts/${contract}.json`, json({
    contract,
    source: name,
    compiler: solc.version().replace(/\.Emscripten.*$/, ""),
    immutables,
    bytecode: "0x" + out.evm.bytecode.object,
    runtime: "0x" + runtime.object,
  }));
  const size = runtime.object.length / 2;
  sizes[contract] = { creation: out.evm.bytecode.object.length / 2, runtime: size };
  if (size > 24576) {
    console.error(`${contract} has ${size} bytes of code, more than the 24576 that EIP-170 allows`);
    process.exit(1);
  }
  if (!check) {
    const dir = contract.toLowerCase();
    mkdirSync(join(root, "build/abigen", dir), { recursive: true });
    writeFileSync(join(root, "build/abigen", dir, "abi.json"), JSON.stringify(out.abi));
    writeFileSync(join(root, "build/abigen", dir, "code.hex"), out.evm.bytecode.object);
    console.log(`${contract}: ${size} bytes of runtime code`);
  }
  // The ABI is what other programs are written against: a change shows in review.
  emit(`deploy/artifacts/${contract}.abi.json`, json(out.abi));
  emit(`deploy/artifacts/${contract}.layout.json`, json({
    storage: out.storageLayout.storage.map(({ label, offset, slot, type }) => ({ label, offset, slot, type: out.storageLayout.types[type].label })),
  }));
}
const erc20 = output.contracts["@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol"].IERC20Metadata.abi;
if (!check) {
  mkdirSync(join(root, "build/abigen/erc20"), { recursive: true });
  writeFileSync(join(root, "build/abigen/erc20/abi.json"), JSON.stringify(erc20));
}
emit("deploy/artifacts/input.json", json(input));
emit("deploy/artifacts/sizes.json", json(sizes));

// What gas is measured with: a token as OpenZeppelin makes it, one as the large dollar tokens are, and what claims are
// compared with, payment by lot.
const measured = { "test/tokens/Tokens.sol": ["PlainToken"], "test/tokens/Dollar.sol": ["Dollar", "DollarProxy"], "test/prototype/Tickets.sol": ["Tickets"] };
for (const [file, names] of Object.entries(measured)) {
  const { contracts } = compile(inputOf([file]));
  for (const name of names) {
    const { abi, evm } = contracts[file][name];
    emit(`gas/testdata/${name}.json`, json({ contract: name, abi, bytecode: "0x" + evm.bytecode.object }));
  }
}
process.exit(stale ? 1 : 0);
