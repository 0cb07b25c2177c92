// Changes the contracts in one place after the other and runs the tests on each of these mutants: every one has to make a
// test fail. What is changed comes from the compiler's syntax tree, so that no guard can be forgotten:
//
//   modifiers       the lock is taken off a function
//   conditions      never and always true; one side of && and || alone; < <= > >= == != moved by one or turned round
//   statements      calls (stores, checks, transfers), events, assignments, steps of an assembly block left out
//   arithmetic      + and − exchanged; unchecked blocks are not special
//   order           transfers before effects, and what else is listed in mutants.json under "more"
//
// A mutant that behaves as the original does can't be caught. Each such is named in mutants.json with the reason, is
// printed, and an entry that no mutant matches any more is an error. Fails unless all others are caught.
//
// mutants.json also names, for each of the properties that the stateful tests watch, a change that breaks it: the short
// campaign of `make test` must fail on it, and with that property's own sentence.
//
// node mutate.mjs [--list] [--only TEXT] [--jobs N]
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { build, harnessOf, range, rewrite, root, sources, sourcesOf, testsOf, trees } from "./sources.mjs";

// A worker makes one mutant and runs the tests on it.
function work() {
  parentPort.on("message", async ({ id, contract, file, edits, patched, tests }) => {
    const made = patched ?? build(contract, { [file]: { content: edited(file, edits) } });
    if (typeof made === "string") return parentPort.postMessage({ id, result: "invalid", why: made });
    parentPort.postMessage({ id, ...(await test(contract, made, `worker${workerData.worker}`, tests)) });
  });
}

// Runs the tests of a contract on what forge has compiled, or on other artifacts.
async function test(contract, made = {}, name = "sound", tests = testsOf[contract]) {
  const folder = join(root, "build/mutants", name);
  // Forge would try inputs that failed before on the next mutant.
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const env = {
    ...process.env,
    FOUNDRY_FUZZ_RUNS: "64",
    FOUNDRY_FUZZ_FAILURE_PERSIST_DIR: join(folder, "fuzz"),
    FOUNDRY_INVARIANT_FAILURE_PERSIST_DIR: join(folder, "invariant"),
    FOUNDRY_INVARIANT_SHRINK_RUN_LIMIT: "0",
    FOUNDRY_DISABLE_NIGHTLY_WARNING: "1",
    NO_COLOR: "1",
  };
  for (const [contract, artifact] of Object.entries(made)) {
    env[`MUTANT_${contract}`] = join(folder, `${contract}.json`);
    writeFileSync(env[`MUTANT_${contract}`], JSON.stringify(artifact));
  }
  // Stopping at the first failure saves time, but forge does not always come back from it. A mutant may also loop for
  // ever, so that the second time counts.
  const first = await forge(["--fail-fast"], 60_000);
  return first.result === "caught" && first.by === late ? forge([], 120_000) : first;

  function forge(more, limit) {
    return new Promise((done) => {
      const child = spawn(process.env.FORGE, ["test", "--match-path", tests, ...more], { cwd: root, env });
      let text = "";
      const timer = setTimeout(() => child.kill("SIGKILL"), limit);
      child.stdout.on("data", (d) => (text += d));
      child.stderr.on("data", (d) => (text += d));
      child.on("close", (code, signal) => {
        clearTimeout(timer);
        const by = /\[FAIL.*\] (\w+)\(/.exec(text)?.[1];
        const says = /\[FAIL: ([^\]]*)\]/.exec(text)?.[1];
        if (code === 0) done({ result: "survived" });
        else if (by || says || signal) done({ result: "caught", by: by ?? says ?? late, says });
        else done({ result: "broken", why: text.slice(-2000) });
      });
    });
  }
}

const late = "the time limit";

const edited = (file, edits) =>
  rewrite(file, edits.map(([start, length, text]) => ({ start, end: start + length, text: () => text })));

// All mutants of one source file. `edits` makes one alone; `both` makes a text that behaves as the mutant where MUTANT is
// its number, and as the original otherwise.
function mutantsOf(contract, file, ast) {
  const source = Buffer.from(sources[file].content);
  const text = (start, length) => source.subarray(start, start + length).toString();
  const of = (node) => text(...range(node));
  const short = (t) => t.replace(/\s+/g, " ").trim();
  const found = [];
  let where = "";
  const push = ([start, length], now, rule, both) => {
    const line = text(0, start).split("\n").length;
    found.push({
      contract, file, line, where, rule, was: short(text(start, length)), now: short(now),
      edits: [[start, length, now]], both,
    });
  };
  const value = (node, now, rule) => push(range(node), `(${now})`, rule, (id, x) => `(MUTANT == ${id} ? (${now}) : (${x}))`);
  const left = (node) => {
    const [start, length] = range(node);
    const whole = source.indexOf(";", start + length) + 1 - start;
    push([start, whole], "{}", "left out", (id, x) => `{ if (MUTANT != ${id}) { ${x} } }`);
  };
  const yulValue = (node, now, rule) => push(range(node), now, rule, (id, x) => `pick(eq(mutant, ${id}), ${now}, ${x})`);
  const yulLeft = (node) => push(range(node), "", "left out", (id, x) => `if iszero(eq(mutant, ${id})) { ${x} }`);
  const bound = { "<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "==" };
  const visit = (node) => {
    if (Array.isArray(node)) return node.forEach(visit);
    if (!node || typeof node !== "object") return;
    const outer = where;
    switch (node.nodeType) {
      case "FunctionDefinition":
        where = node.name || node.kind;
        break;
      case "ModifierInvocation":
        if (of(node) === "nonReentrant") push(range(node), "", "no lock", (id) => `nonReentrantUnless(MUTANT == ${id})`);
        break;
      case "IfStatement":
      case "Conditional":
        value(node.condition, "false", "never");
        value(node.condition, "true", "always");
        break;
      case "ForStatement":
        value(node.condition, "false", "never");
        // A loop that does not step never ends.
        visit([node.initializationExpression, node.condition, node.body]);
        return;
      case "BinaryOperation": {
        const [a, b] = [of(node.leftExpression), of(node.rightExpression)];
        const { operator } = node;
        if (bound[operator]) value(node, `${a} ${bound[operator]} ${b}`, "bound");
        if (operator === "&&" || operator === "||") {
          value(node, a, "left alone");
          value(node, b, "right alone");
        }
        const type = node.typeDescriptions?.typeString ?? "";
        if ((operator === "+" || operator === "-") && !type.startsWith("int_const")) {
          value(node, `${a} ${operator === "+" ? "-" : "+"} ${b}`, "arithmetic");
        }
        break;
      }
      case "EmitStatement":
        left(node);
        break;
      case "ExpressionStatement":
        // A storage pointer that is not set does not compile.
        if (node.expression.leftHandSide?.typeDescriptions.typeString.endsWith("storage pointer")) break;
        if (["FunctionCall", "Assignment", "UnaryOperation"].includes(node.expression.nodeType)) left(node);
        break;
      case "TryStatement": {
        const call = of(node.externalCall);
        push(range(node), `${call};`, "not caught", (id, x) => `{ if (MUTANT == ${id}) { ${call}; } else { ${x} } }`);
        push(range(node), "", "left out", (id, x) => `{ if (MUTANT != ${id}) { ${x} } }`);
        break;
      }
      case "InlineAssembly":
        // Immutables can't be read inside.
        push(range(node), of(node), "", (_, x) => "uint256 mutant = MUTANT;\n" +
          x.replace("{", "{ function pick(c, a, b) -> r { r := b if c { r := a } }"));
        break;
      case "YulIf":
        yulValue(node.condition, "0", "never");
        yulValue(node.condition, "1", "always");
        break;
      case "YulFunctionCall": {
        const { name } = node.functionName;
        const args = node.arguments.map(of);
        if (name === "gt") yulValue(node, `iszero(lt(${args}))`, "bound");
        if (name === "lt") yulValue(node, `iszero(gt(${args}))`, "bound");
        if (name === "iszero") yulValue(node, args[0], "turned round");
        if (name === "add" || name === "sub") yulValue(node, `${name === "add" ? "sub" : "add"}(${args})`, "arithmetic");
        break;
      }
      case "YulExpressionStatement":
        if (/^(mstore|sstore)/.test(of(node))) yulLeft(node);
        break;
      case "YulAssignment":
        yulLeft(node);
        break;
    }
    for (const [key, child] of Object.entries(node)) {
      if (typeof child === "object" && child !== null && key !== "typeDescriptions") visit(child);
    }
    where = outer;
  };
  visit(ast);
  return found;
}

// Compiling takes seconds, running the tests less than one. So all mutants of a contract are compiled at once, each
// behind a condition on an immutable number; one mutant's code is then made by exchanging that number.
const magic = "c5a1f0e37b9d42866d1f83ab50e7c92413fd6c08b7e59a41d2f6083c7e91b54a";

function together(contract, mutants) {
  const file = `src/${contract}.sol`;
  const head = new RegExp(`\ncontract ${contract} [^{]*{`);
  const points = mutants.map((m) => {
    const [start, length] = m.edits[0];
    return { start, end: start + length, text: (inside) => m.both(m.id, inside) };
  });
  const text = rewrite(file, points)
    .replace(head, (m) => `${m}\n    uint256 private immutable MUTANT = 0x${magic};\n`)
    .replaceAll("private pure", "private view");
  const lock = "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
  const unless = sources[lock].content.replace("    modifier nonReentrant() {",
    "    modifier nonReentrantUnless(bool off) {\n if (!off) _nonReentrantBefore();\n _;\n if (!off) _nonReentrantAfter();\n }\n$&");
  mkdirSync(join(root, "build/mutants"), { recursive: true });
  writeFileSync(join(root, `build/mutants/${contract}.sol`), text);
  const made = build(contract, { [file]: { content: text }, [lock]: { content: unless } }, harnessOf[contract]);
  if (typeof made === "string") throw new Error(`build/mutants/${contract}.sol: ${made}`);
  for (const [name, { bytecode }] of Object.entries(made)) {
    if (!bytecode.object.includes(magic)) throw new Error(`${name}: the number of the mutant is not in the code`);
  }
  return (id) => Object.fromEntries(Object.entries(made).map(([name, { bytecode, ...rest }]) =>
    [name, { ...rest, bytecode: { object: bytecode.object.replaceAll(magic, id.toString(16).padStart(64, "0")) } }]));
}

// What mutants.json asks for beside: a text of a file, exchanged for another.
function moreOf(list) {
  return list.map(({ contract, file, was, now, rule, says }) => {
    const { content } = sources[file];
    const at = content.indexOf(was);
    if (at < 0 || content.indexOf(was, at + 1) >= 0) throw new Error(`mutants.json: not exactly once in ${file}: ${was}`);
    const start = Buffer.byteLength(content.slice(0, at));
    const short = (s) => s.replace(/\s+/g, " ").trim();
    return {
      contract, file, line: content.slice(0, at).split("\n").length, where: "", rule, was: short(was), now: short(now),
      edits: [[start, Buffer.byteLength(was), now]], says, tests: says && "test/invariant/*",
    };
  });
}

const nameOf = (m) => `${m.file}:${m.line} ${m.where ? m.where + ": " : ""}${m.rule}: ${m.was} → ${m.now || "∅"}`;
const matches = (e, m) => m.file === e.file && (!e.where || m.where === e.where) && m.rule === e.rule && m.was === e.was && (e.now === undefined || m.now === e.now);

async function main() {
  const option = (name) => {
    const i = process.argv.indexOf(name);
    return i < 0 ? undefined : process.argv[i + 1];
  };
  const spec = JSON.parse(readFileSync(join(root, "mutants.json"), "utf8"));
  const asts = trees();
  let mutants = Object.entries(sourcesOf).flatMap(([contract, files]) =>
    files.flatMap((file) => mutantsOf(contract, file, asts[file])));
  mutants.push(...moreOf(spec.more), ...moreOf(spec.invariants.map((m) => ({ contract: "Channels", ...m }))));
  mutants.forEach((m, i) => (m.id = i + 1));
  // A constructor runs before the number is there, and libraries can't read it: those are compiled one by one.
  const apart = (m) => !m.both || m.where === "constructor" || m.file !== `src/${m.contract}.sol`;
  const schemes = mutants.filter((m) => !apart(m));
  mutants = mutants.filter((m) => m.rule);
  for (const e of spec.equivalent) {
    const same = mutants.filter((m) => matches(e, m));
    if (same.length !== (e.times ?? 1)) {
      console.error(`mutants.json: ${same.length} mutants match, not ${e.times ?? 1}: ${JSON.stringify(e)}`);
      process.exitCode = 1;
    }
    same.forEach((m) => (m.equivalent = e.why));
  }
  if (process.exitCode) return;
  const only = option("--only");
  if (only) mutants = mutants.filter((m) => nameOf(m).includes(only));
  const equivalent = mutants.filter((m) => m.equivalent);
  const todo = mutants.filter((m) => !m.equivalent);
  if (process.argv.includes("--list")) {
    mutants.forEach((m) => console.log(nameOf(m) + (m.equivalent ? `\n    the same: ${m.equivalent}` : "")));
    console.log(`${todo.length} mutants, ${equivalent.length} that behave as the original`);
    return;
  }

  rmSync(join(root, "build/mutants"), { recursive: true, force: true });
  mkdirSync(join(root, "build/mutants"), { recursive: true });
  for (const contract of Object.keys(sourcesOf)) {
    const sound = await test(contract);
    if (sound.result !== "survived") {
      console.error(`the tests of ${contract} fail without any change: ${sound.by ?? sound.why}`);
      process.exit(1);
    }
  }
  const began = Date.now();
  const codes = {};
  for (const contract of new Set(todo.filter((m) => !apart(m)).map((m) => m.contract))) {
    codes[contract] = together(contract, schemes.filter((m) => m.contract === contract));
    const sound = await test(contract, codes[contract](0));
    if (sound.result !== "survived") {
      console.error(`the tests fail on ${contract} with all mutants asleep: ${sound.by ?? sound.why}`);
      process.exit(1);
    }
    console.log(`${contract}: compiled after ${Math.round((Date.now() - began) / 1000)} s`);
  }
  const seconds = () => `${Math.round((Date.now() - began) / 1000)} s`;
  const results = new Array(todo.length);
  let next = 0, done = 0;
  const jobs = Number(option("--jobs") ?? Math.max(1, availableParallelism()));
  await Promise.all(Array.from({ length: jobs }, (_, worker) => new Promise((resolve, reject) => {
    const w = new Worker(fileURLToPath(import.meta.url), { workerData: { worker } });
    const more = () => {
      if (next === todo.length) return w.terminate().then(resolve);
      const id = next++;
      const m = todo[id];
      const { contract, file, edits, tests } = m;
      w.postMessage({ id, contract, file, edits, tests, patched: apart(m) ? undefined : codes[contract](m.id) });
    };
    w.on("error", reject);
    w.on("message", (r) => {
      results[r.id] = r;
      done++;
      const want = todo[r.id].says;
      if (want && r.result === "caught" && r.says !== want) {
        [r.result, r.why] = ["survived", `caught as ${JSON.stringify(r.says)}, not ${JSON.stringify(want)}`];
      }
      if (r.result !== "caught") console.log(`${r.result.toUpperCase()}  ${nameOf(todo[r.id])}${r.why ? "\n" + r.why : ""}`);
      else if (process.env.VERBOSE) console.log(`caught by ${r.by}: ${nameOf(todo[r.id])}`);
      if (done % 20 === 0) console.log(`${done}/${todo.length} after ${seconds()}`);
      more();
    });
    more();
  })));

  const count = (result) => results.filter((r) => r.result === result).length;
  const invalid = count("invalid");
  for (const m of equivalent) console.log(`the same: ${nameOf(m)}\n    ${m.equivalent}`);
  const judged = todo.length - invalid;
  const properties = todo.filter((m) => m.says);
  for (const m of properties) console.log(`${results[todo.indexOf(m)].result}: ${m.rule}: "${m.says}"`);
  const percent = Math.floor((1000 * count("caught")) / judged) / 10;
  console.log(`mutants: ${count("caught")} of ${judged} caught (${percent} %) in ${seconds()}, ${properties.length} of them by ` +
    `the stateful tests; ${equivalent.length} behave as the original` + (invalid ? `; ${invalid} do not compile` : ""));
  if (count("caught") !== judged) process.exit(1);
}

if (isMainThread) await main();
else work();
