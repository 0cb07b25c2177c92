// Which branches of the contracts the unit tests and attacks take, both ways. Forge's own count needs another compilation
// than the one that is deployed, and does not see into assembly. So the sources are compiled as they are deployed, with
// each condition wrapped in a function that says on forge's console how it came out:
//
//   if, ?:, loops, also in assembly    true and false
//   operands of && and ||              true and false, each
//   try                                went through and did not
//   functions                          entered
//
// Fuzzing and the stateful tests are left out: what is covered is covered by a test that was written for it. Fails
// unless all is covered.
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build, harnessOf, range, rewrite, root, sources, sourcesOf, trees } from "./sources.mjs";

// The console's address and the selector of its log(uint256). Memory from here on is used by nobody.
const console_ = "0x000000000000000000636F6e736F6c652e6c6f67";
const said = (id, outcome) => `
    mstore(0x8000, shl(224, 0xf82c50f1))
    mstore(0x8004, add(mul(2, ${id}), iszero(iszero(${outcome}))))
    pop(staticcall(gas(), ${console_}, 0x8000, 0x24, 0, 0))`;
const helper = `
function _seen(uint256 id, bool outcome) view returns (bool) {
    assembly ("memory-safe") {${said("id", "outcome")}
    }
    return outcome;
}
`;
const yulHelper = `{ function seen(id, c) -> r { r := c ${said("id", "c")} }`;

const known = new Map();
const found = []; // {file, line, where, kind, text, want: [outcomes], got: Set}

function pointsOf(file, ast) {
  const source = Buffer.from(sources[file].content);
  const points = [];
  let where = "";
  const add = (node, kind, want, text) => {
    const [start, length] = range(node);
    // What two contracts share is one place.
    const at = `${file} ${start} ${length} ${kind}`;
    if (known.has(at)) return { id: known.get(at), start, end: start + length, text };
    const id = found.length;
    known.set(at, id);
    const line = source.subarray(0, start).toString().split("\n").length;
    const shown = source.subarray(start, start + length).toString().replace(/\s+/g, " ");
    found.push({ file, line, where, kind, text: kind === "function" ? where : shown, want, got: new Set() });
    return { id, start, end: start + length, text };
  };
  const condition = (node) => {
    const p = add(node, "branch", [true, false], (x) => `_seen(${p.id}, ${x})`);
    points.push(p);
  };
  const yul = (node) => {
    const p = add(node, "branch", [true, false], (x) => `seen(${p.id}, ${x})`);
    points.push(p);
  };
  const begin = (block, id, outcome) => {
    const at = range(block)[0] + 1;
    points.push({ start: at, end: at, text: () => ` _seen(${id}, ${outcome});` });
  };
  const visit = (node) => {
    if (Array.isArray(node)) return node.forEach(visit);
    if (!node || typeof node !== "object") return;
    const outer = where;
    switch (node.nodeType) {
      case "FunctionDefinition":
        where = node.name || node.kind;
        if (node.body) begin(node.body, add(node, "function", [true]).id, true);
        break;
      case "IfStatement":
      case "Conditional":
      case "ForStatement":
      case "WhileStatement":
        condition(node.condition);
        break;
      case "BinaryOperation":
        if (node.operator === "&&" || node.operator === "||") {
          condition(node.leftExpression);
          condition(node.rightExpression);
        }
        break;
      case "TryStatement": {
        const { id } = add(node.externalCall, "branch", [true, false]);
        if (node.clauses.length !== 2) throw new Error(`${file}: a try with ${node.clauses.length} clauses`);
        begin(node.clauses[0].block, id, true);
        begin(node.clauses[1].block, id, false);
        break;
      }
      case "InlineAssembly": {
        const [start, length] = range(node);
        points.push({ start, end: start + length, text: (x) => x.replace("{", yulHelper) });
        break;
      }
      case "YulIf":
      case "YulForLoop":
        yul(node.condition);
        break;
      case "YulSwitch":
        throw new Error(`${file}: a switch, whose cases nobody counts`);
    }
    for (const [key, child] of Object.entries(node)) {
      if (typeof child === "object" && child !== null && key !== "typeDescriptions") visit(child);
    }
    where = outer;
  };
  visit(ast);
  return points;
}

const asts = trees();
const folder = join(root, "build/coverage");
mkdirSync(folder, { recursive: true });
const env = { ...process.env, NO_COLOR: "1", FOUNDRY_DISABLE_NIGHTLY_WARNING: "1" };
for (const [contract, files] of Object.entries(sourcesOf)) {
  const changed = {};
  for (const file of files) {
    const content = rewrite(file, pointsOf(file, asts[file])).replaceAll(/\bpure\b/g, "view") + helper;
    changed[file] = { content };
  }
  const made = build(contract, changed, harnessOf[contract]);
  if (typeof made === "string") throw new Error(made);
  for (const [name, artifact] of Object.entries(made)) {
    env[`MUTANT_${name}`] = join(folder, `${name}.json`);
    writeFileSync(env[`MUTANT_${name}`], JSON.stringify(artifact));
  }
}

const run = spawnSync(process.env.FORGE, ["test", "--json", "-vv", "--match-path", "test/{unit/*,Attacks*}"], {
  cwd: root, env, encoding: "utf8", maxBuffer: 1 << 30,
});
if (run.error) throw run.error;
const suites = JSON.parse(run.stdout.slice(run.stdout.indexOf("{")));
let tests = 0;
for (const [suite, { test_results }] of Object.entries(suites)) {
  for (const [name, { status, reason, decoded_logs }] of Object.entries(test_results)) {
    if (status !== "Success") {
      console.error(`${suite} ${name}: ${status}: ${reason}`);
      process.exit(1);
    }
    tests++;
    for (const line of decoded_logs) {
      const said = Number(line);
      found[said >> 1].got.add((said & 1) === 1);
    }
  }
}

const percent = (got, all) => (all === 0 ? "" : `${(Math.floor((1000 * got) / all) / 10).toFixed(1)} % (${got}/${all})`);
const rows = [["File", "Branches", "Functions"]];
const count = (points) => ["branch", "function"].map((kind) => {
  const those = points.filter((p) => p.kind === kind);
  return percent(
    those.reduce((n, p) => n + p.want.filter((w) => p.got.has(w)).length, 0),
    those.reduce((n, p) => n + p.want.length, 0),
  );
});
for (const file of new Set(Object.values(sourcesOf).flat())) rows.push([file, ...count(found.filter((p) => p.file === file))]);
rows.push(["All", ...count(found)]);
const widths = [0, 1, 2].map((i) => Math.max(...rows.map((r) => r[i].length)));
rows.forEach((r, i) => {
  console.log(`| ${r.map((cell, j) => (j ? cell.padStart(widths[j]) : cell.padEnd(widths[j]))).join(" | ")} |`);
  if (i === 0) console.log(`|${widths.map((w, j) => "-".repeat(w + 1) + (j ? ":" : "-")).join("|")}|`);
});
let missed = 0;
for (const p of found) {
  for (const w of p.want.filter((w) => !p.got.has(w))) {
    missed++;
    console.error(`never ${p.kind === "function" ? "entered" : w}: ${p.file}:${p.line} ${p.where}: ${p.text}`);
  }
}
console.log(`${tests} tests, ${missed} branches missed`);
if (missed) process.exit(1);
