// The contracts' sources as they are deployed, their syntax trees, and changed versions of them compiled into artifacts
// that the tests deploy in place of the real ones (MUTANT_<Contract>).
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = dirname(fileURLToPath(import.meta.url));
const require = createRequire(import.meta.url);
const base = JSON.parse(readFileSync(join(root, "deploy/artifacts/input.json"), "utf8"));
export const sources = base.sources;
export const settings = base.settings;

// The contracts, and the tests that look at each.
export const testsOf = {
  Channels: "test/{unit/[a-z]*,Attacks*,Fuzz*}",
  Registry: "test/unit/Registry*",
  DevToken: "test/unit/DevToken*",
};
// Those that take longer are run only where the others find nothing: the random actions, each compared with the model, and
// the golden vectors.
export const slowTestsOf = { Channels: "test/{Vectors*,invariant/Channels*}", Registry: "test/invariant/Registry*" };
// What gives tests a look inside a contract: it is compiled with each changed version of the functions named here.
export const harnessOf = { Channels: { file: "test/harness/Settling.sol", name: "Settling", of: ["_settle"] } };

// Which of our files make a contract: its own, and what they import.
export function filesOf(contract) {
  const files = [];
  const visit = (file) => {
    if (files.includes(file) || !file.startsWith("src/") || file.startsWith("src/interfaces/")) return;
    files.push(file);
    for (const [, from] of sources[file].content.matchAll(/^import\s[^"']*["']([^"']+)["'];/gm)) {
      visit(from.startsWith(".") ? join(dirname(file), from) : from);
    }
  };
  visit(`src/${contract}.sol`);
  return files;
}
export const sourcesOf = Object.fromEntries(Object.keys(testsOf).map((contract) => [contract, filesOf(contract)]));

// The compiler takes a second to load.
let loaded;
export const solc = () => (loaded ??= require("solc"));

export function compile(sources, outputSelection, more = {}) {
  return JSON.parse(solc().compile(JSON.stringify({ ...base, sources, settings: { ...settings, outputSelection, ...more } })));
}

// What costs the compiler least: the code does the same, and is larger.
export const hardlyOptimized = {
  optimizer: {
    enabled: true,
    runs: 1,
    details: {
      peephole: true, inliner: false, jumpdestRemover: true, orderLiterals: false, deduplicate: false, cse: false,
      constantOptimizer: false, yul: true, yulDetails: { stackAllocation: true, optimizerSteps: "u:" },
    },
  },
};

// Compiles changed sources into artifacts by contract; a string says why that does not work.
export function build(contract, changed, harness, more) {
  const wanted = [{ file: `src/${contract}.sol`, name: contract }, ...(harness ? [harness] : [])];
  const all = { ...sources, ...changed };
  if (harness) all[harness.file] = { content: readFileSync(join(root, harness.file), "utf8") };
  const outputs = ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"];
  const out = compile(all, Object.fromEntries(wanted.map(({ file, name }) => [file, { [name]: outputs }])), more);
  const error = (out.errors ?? []).find((e) => e.severity === "error");
  if (error) return error.formattedMessage;
  return Object.fromEntries(wanted.map(({ file, name }) => {
    const { abi, evm } = out.contracts[file][name];
    return [name, {
      abi,
      bytecode: { object: "0x" + evm.bytecode.object },
      deployedBytecode: { object: "0x" + evm.deployedBytecode.object },
    }];
  }));
}

// Syntax trees by file. What they are of must be what lies in the folder.
export function trees() {
  for (const [file, { content }] of Object.entries(sources)) {
    if (file.startsWith("src/") && readFileSync(join(root, file), "utf8") !== content) {
      console.error(`deploy/artifacts/input.json is not of these sources (${file}): run make -C contracts generate`);
      process.exit(1);
    }
  }
  const out = compile(sources, { "*": { "": ["ast"] } });
  return Object.fromEntries(Object.entries(out.sources).map(([file, { ast }]) => [file, ast]));
}

// Where a node of a tree stands in its file, in bytes.
export const range = (node) => (node.nativeSrc ?? node.src).split(":").slice(0, 2).map(Number);

// Rewrites a file at points {start, end, text}, where text(inside) gives what comes instead; points may lie within one
// another.
export function rewrite(file, points) {
  const content = Buffer.from(sources[file].content);
  const sorted = [...points].sort((a, b) => a.start - b.start || b.end - a.end);
  const render = (from, to, points) => {
    let out = "";
    for (let i = 0; i < points.length; ) {
      const p = points[i];
      let j = i + 1;
      while (j < points.length && points[j].start < p.end) j++;
      out += content.subarray(from, p.start) + p.text(render(p.start, p.end, points.slice(i + 1, j)));
      from = p.end;
      i = j;
    }
    return out + content.subarray(from, to);
  };
  return render(0, content.length, sorted);
}
