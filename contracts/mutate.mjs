// Changes the contracts in one place after the other and runs the tests on each of these mutants: every one has to make a
// test fail. What is changed comes from the compiler's syntax tree, so that no place can be forgotten (operators.mjs):
//
//   no lock               the lock is taken off a function
//   never, always         a condition is not asked; left alone, right alone: one side of && and ||; and, or: exchanged
//   condition and state   a condition that holds only, or not, in a state: a time is past, an epoch or a total is not
//                         zero, two accounts are the same
//   bound, turned round   < <= > >= == != moved by one or turned round; ! left out
//   left out              calls (stores, checks, transfers), events, assignments, steps of assembly
//   left out in a state   the same, only when something is so
//   twice                 events and calls done again
//   operand               a variable exchanged for another of its type: a recipient, a signer, an amount, a key
//   argument order        two arguments of the same type exchanged, in calls, events, errors, what is hashed or returned
//   field left at zero    of an event or an error
//   returned              zero, or one more, instead of the result
//   one more, one less    wherever a number goes: into a store, a call, a variable, a result
//   constant, half        by one, by a word in assembly, a letter of a text; half of what was set at creation
//   arithmetic            + and −, << and >>, & and | exchanged; left alone, right alone: one operand without the other
//   read again            what was read before a store is read after it
//   by hand               what else comes to mind, in mutants.json: "more" (order of effects and transfers) and "meaning"
//
// A mutant that behaves as the original does can't be caught. Each such is named in mutants.json with the reason, by its
// text or by a pattern ("like", of what it was, " → ", and what it is now). It is run all the same: where a test catches
// it the reason is wrong. An entry that no mutant matches any more is an error. Fails unless all others are caught.
//
// mutants.json also names, for each of the properties that the stateful tests watch, a change that breaks it: the short
// campaign of `make test` must fail on it, and with that property's own sentence.
//
// node mutate.mjs [--list] [--only TEXT]... [--sample N | --again LOG] [--jobs N]
// node mutate.mjs --record
//
// A run of all writes its report into mutation.txt, if nothing survives that should not. --record prints it, and fails
// where it is not of these contracts and mutants. --again LOG goes on with what survived in the run that printed LOG, once
// tests have been added.
//
// --sample N runs N mutants only, always the same ones: in the order of the hashes of their names first one of each
// operator and one of each function, and then the next ones.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { bodyAround, byNumber, declarationsOf, mutantsOf, reachOf } from "./operators.mjs";
import { build, compile, hardlyOptimized, harnessOf, rewrite, root, slowTestsOf, sources, sourcesOf, testsOf, trees } from "./sources.mjs";

// A worker compiles changed sources, or runs the tests on a mutant.
function work() {
  parentPort.on("message", async ({ id, compile, contract, made, tests }) => {
    if (compile) return parentPort.postMessage({ id, made: build(contract, compile.files, compile.harness, hardlyOptimized) });
    parentPort.postMessage({ id, ...(await test(contract, made, `worker${workerData.worker}`, tests)) });
  });
}

// Runs the tests of a contract on what forge has compiled, or on other artifacts.
async function test(contract, made = {}, name = "sound", tests) {
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
    // What loops for ever ends soon.
    FOUNDRY_GAS_LIMIT: "1000000000",
    FOUNDRY_DISABLE_NIGHTLY_WARNING: "1",
    NO_COLOR: "1",
    // Forge writes its cache each time, and two at once would find half of it.
    FOUNDRY_CACHE_PATH: join(folder, "cache"),
  };
  cpSync(join(root, "build/cache"), env.FOUNDRY_CACHE_PATH, { recursive: true });
  for (const [contract, artifact] of Object.entries(made)) {
    env[`MUTANT_${contract}`] = join(folder, `${contract}.json`);
    writeFileSync(env[`MUTANT_${contract}`], JSON.stringify(artifact));
  }
  const result = await run(tests ?? testsOf[contract]);
  if (result.result !== "survived" || tests || !slowTestsOf[contract]) return result;
  env.FOUNDRY_INVARIANT_RUNS = "48";
  return run(slowTestsOf[contract]);

  // Stopping at the first failure saves time, but forge does not always come back from it.
  async function run(tests) {
    const more = tests.includes("invariant") ? 3 : 1;
    let last;
    for (const [options, seconds] of [[["--fail-fast"], 20], [[], 60], [[], 180]]) {
      last = await forge(tests, options, more * seconds * 1000);
      if (last.result !== "late") break;
    }
    return last;
  }

  function forge(tests, more, limit) {
    return new Promise((done) => {
      const child = spawn(process.env.FORGE, ["test", "--match-path", tests, ...more], { cwd: root, env });
      let text = "";
      const timer = setTimeout(() => child.kill("SIGKILL"), limit);
      const hear = (d) => {
        text += d;
        if (/\[FAIL.*\n/.test(text)) child.kill("SIGKILL");
      };
      child.stdout.on("data", hear);
      child.stderr.on("data", hear);
      child.on("close", (code, signal) => {
        clearTimeout(timer);
        const by = /\[FAIL.*\] (\w+)\(/.exec(text)?.[1];
        const says = /\[FAIL: ([^\]]*)\]/.exec(text)?.[1];
        if (code === 0) done({ result: "survived" });
        else if (by || says) done({ result: "caught", by: by ?? says, says });
        else if (signal) done({ result: "late" });
        else done({ result: "broken", why: text.slice(-2000) });
      });
    });
  }
}

// Compiling takes seconds, running the tests less than one. So hundreds of mutants of a contract are compiled at once,
// each behind a condition on a number; one mutant's code is then made by exchanging that number. It is a function's
// result, so that constructors, bases, libraries and assembly know it, and a sum, so that the optimizer does not: nothing
// is as long as 2^255.
const magic = "c5a1f0e37b9d42866d1f83ab50e7c92413fd6c08b7e59a41d2f6083c7e91b54a";
const numbers = {
  "src/Mutant.sol": {
    content: `pragma solidity ^0.8.28;
function MUTANT() pure returns (uint256 m) { assembly ("memory-safe") { m := add(0x${magic}, shr(255, codesize())) } }
function MORE(uint256 x) pure returns (uint256) { unchecked { return x + 1; } }
function LESS(uint256 x) pure returns (uint256) { return x == 0 ? 0 : x - 1; }
function HALF(uint256 x) pure returns (uint256) { return x / 2; }
`,
  },
};
const lock = "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
const unless = sources[lock].content.replace("    modifier nonReentrant() {",
  "    modifier nonReentrantUnless(bool off) {\n if (!off) _nonReentrantBefore();\n _;\n if (!off) _nonReentrantAfter();\n }\n$&");

// The sources of a contract with all these mutants asleep in it.
function together(contract, mutants) {
  const files = { ...numbers, [lock]: { content: unless } };
  for (const file of sourcesOf[contract]) {
    const points = mutants.filter((m) => m.file === file).flatMap((m) =>
      m.points.map(({ start, end, both }) => ({ start, end, text: (x) => both(m.id, x) })));
    const content = rewrite(file, points)
      .replace(/\npragma [^;]*;\n/, '$&import {MUTANT, MORE, LESS, HALF} from "src/Mutant.sol";\n');
    files[file] = { content };
  }
  return files;
}

// Which mutants do not compile: what the compiler says of all of them at once, until it has nothing to say any more.
function misfits(contract, mutants, schemes) {
  const bad = new Map();
  for (;;) {
    const files = together(contract, [...mutants.filter((m) => !bad.has(m.id)), ...schemes]);
    const out = compile({ ...sources, ...files }, { [`src/${contract}.sol`]: { [contract]: ["abi"] } });
    const errors = (out.errors ?? []).filter((e) => e.severity === "error");
    if (!errors.length) return bad;
    const before = bad.size;
    for (const e of errors) {
      if (!e.sourceLocation || e.sourceLocation.start < 0) continue;
      const text = Buffer.from(files[e.sourceLocation.file].content);
      const at = text.subarray(e.sourceLocation.start, e.sourceLocation.end).toString();
      const ahead = text.subarray(0, e.sourceLocation.start).toString();
      const within = [];
      for (const [, id] of ahead.matchAll(/\/\*(?:<(\d+)|>)\*\//g)) id ? within.push(id) : within.pop();
      const id = within.at(-1) ?? /(?:MUTANT\(\) == |eq\(mutant, )(\d+)/.exec(at)?.[1] ??
        [...ahead.matchAll(/(?:MUTANT\(\) == |eq\(mutant, )(\d+)/g)].at(-1)?.[1];
      if (id && !bad.has(Number(id))) bad.set(Number(id), e.message);
    }
    if (bad.size === before) {
      writeFileSync(join(root, "build/mutants/broken.sol"), files[errors[0].sourceLocation.file].content);
      throw new Error(`build/mutants/broken.sol: ${errors[0].formattedMessage}`);
    }
  }
}

function numbered(made) {
  return (id) => Object.fromEntries(Object.entries(made).map(([name, { bytecode, ...rest }]) =>
    [name, { ...rest, bytecode: { object: bytecode.object.replaceAll(magic, id.toString(16).padStart(64, "0")) } }]));
}

const short = (text) => text.replace(/\s+/g, " ").trim();

// What mutants.json asks for beside: a text of a file, exchanged for another.
function byHand(list, asts, rule) {
  return list.map((entry) => {
    const { file, was, now, says } = entry;
    const contract = entry.contract ?? Object.keys(sourcesOf).find((c) => sourcesOf[c].includes(file));
    const { content } = sources[file];
    const at = content.indexOf(was);
    if (at < 0 || content.indexOf(was, at + 1) >= 0) throw new Error(`mutants.json: not exactly once in ${file}: ${was}`);
    const start = Buffer.byteLength(content.slice(0, at));
    const end = start + Buffer.byteLength(was);
    const m = {
      contract, file, line: content.slice(0, at).split("\n").length, rule, sentence: entry.rule, was: short(was), now: short(now),
      says, tests: says && `test/invariant/${contract}*`,
    };
    const { body, name, id } = bodyAround(asts[file], start, end);
    if (!body) return { ...m, where: "", points: [{ start, end, now }], apart: true };
    const source = Buffer.from(content);
    const other = source.subarray(body.start, start) + now + source.subarray(end, body.end);
    return { ...m, where: name, function: id, points: [{ ...body, now: other, both: byNumber.statement(other) }] };
  });
}

// What several contracts share is changed in each.
const contractOf = (m) => (m.file === `src/${m.contract}.sol` ? "" : `in ${m.contract}, `);
const nameOf = (m) => `${m.file}${m.line ? `:${m.line}` : ""} ${contractOf(m)}${m.where ? m.where + ": " : ""}${m.rule}: ` +
  `${m.sentence ? m.sentence + ": " : ""}${m.was} → ${m.now || "∅"}`;
const matches = (e, m) => m.file === e.file && (!e.contract || m.contract === e.contract) && (!e.where || m.where === e.where) &&
  m.rule === e.rule && (e.was === undefined || m.was === e.was) && (e.now === undefined || m.now === e.now) &&
  (e.which === undefined || m.which === e.which) && (e.like === undefined || new RegExp(e.like).test(`${m.was} → ${m.now}`));

// Mutants that stand for all: see above.
function sampleOf(mutants, n) {
  const key = (m) => createHash("sha256").update(nameOf({ ...m, line: 0 }) + m.which).digest("hex");
  const sorted = mutants.map((m) => [key(m), m]).sort(([a], [b]) => (a < b ? -1 : 1)).map(([, m]) => m);
  const chosen = new Set();
  const seen = new Set();
  const kinds = [(m) => m.rule, (m) => `${m.contract} ${m.file} ${m.where}`, (m) => m.id];
  for (const kind of kinds) {
    for (const m of sorted) {
      if (chosen.size === n) break;
      if (seen.has(kind(m))) continue;
      chosen.add(m);
      kinds.forEach((k) => seen.add(k(m)));
    }
  }
  return mutants.filter((m) => chosen.has(m));
}

// Hands tasks to workers; each takes the next when it is done with one.
function pool(jobs) {
  const workers = Array.from({ length: jobs }, (_, worker) => new Worker(fileURLToPath(import.meta.url), { workerData: { worker } }));
  return {
    run: (tasks, message, done) => {
      let next = 0;
      return Promise.all(workers.map((w) => new Promise((resolve, reject) => {
        const more = () => {
          if (next >= tasks.length) return resolve();
          const id = next++;
          w.removeAllListeners();
          w.on("error", reject);
          w.on("message", (answer) => {
            done(tasks[id], answer);
            more();
          });
          w.postMessage({ id, ...message(tasks[id]) });
        };
        more();
      })));
    },
    end: () => Promise.all(workers.map((w) => w.terminate())),
  };
}

async function main() {
  const option = (name) => {
    const i = process.argv.indexOf(name);
    return i < 0 ? undefined : process.argv[i + 1];
  };
  const began = Date.now();
  const seconds = () => `${Math.round((Date.now() - began) / 1000)} s`;
  rmSync(join(root, "build/mutants"), { recursive: true, force: true });
  mkdirSync(join(root, "build/mutants"), { recursive: true });

  const spec = JSON.parse(readFileSync(join(root, "mutants.json"), "utf8"));
  const asts = trees();
  const declarations = declarationsOf(asts);
  let all = Object.entries(sourcesOf).flatMap(([contract, files]) => {
    const reached = reachOf(contract, asts, declarations);
    return files.flatMap((file) => mutantsOf(contract, file, asts[file], declarations, reached));
  });
  all.push(...byHand(spec.more, asts, "by hand"), ...byHand(spec.meaning, asts, "by hand"), ...byHand(spec.invariants, asts, "property"));
  all.forEach((m, i) => (m.id = i + 1));
  // A change that two operators make is made once.
  const known = new Map();
  for (const m of all.filter((m) => m.rule)) {
    const key = JSON.stringify([m.contract, m.file, m.says, m.points.map(({ start, end, now }) => [start, end, now])]);
    if (known.has(key)) m.again = true;
    known.set(key, m);
  }
  const schemes = all.filter((m) => !m.rule);
  let mutants = all.filter((m) => m.rule && !m.again);
  const invalid = new Map();
  for (const contract of Object.keys(sourcesOf)) {
    const of = (m) => m.contract === contract;
    misfits(contract, mutants.filter((m) => of(m) && !m.apart), schemes.filter(of)).forEach((why, id) => invalid.set(id, why));
  }
  if (process.env.VERBOSE) {
    for (const m of mutants.filter((m) => invalid.has(m.id))) console.log(`does not compile: ${nameOf(m)}: ${invalid.get(m.id)}`);
  }
  const broken = mutants.filter((m) => invalid.has(m.id) && m.sentence);
  if (broken.length) throw new Error(broken.map((m) => `${nameOf(m)}: ${invalid.get(m.id)}`).join("\n"));
  mutants = mutants.filter((m) => !invalid.has(m.id));

  // Which of several with the same name.
  const names = new Map();
  for (const m of mutants) {
    const name = `${m.contract} ${nameOf({ ...m, line: 0 })}`;
    names.set(name, (m.which = (names.get(name) ?? 0) + 1));
  }
  for (const e of spec.equivalent) {
    const same = mutants.filter((m) => matches(e, m));
    if (e.like && e.times === undefined ? !same.length : same.length !== (e.times ?? 1)) {
      console.error(`mutants.json: ${same.length} mutants match, not ${e.times ?? 1}: ${JSON.stringify(e)}`);
      process.exitCode = 1;
    }
    same.forEach((m) => (m.equivalent = e.why));
  }
  if (process.exitCode) return;
  const whole = mutants.length;
  const sample = option("--sample");
  const only = process.argv.filter((_, i, argv) => argv[i - 1] === "--only");
  if (only.length) mutants = mutants.filter((m) => only.some((text) => nameOf(m).includes(text)));
  if (sample) mutants = sampleOf(mutants, Number(sample));
  const before = [];
  const stamp = stampNow();
  const again = option("--again");
  if (again) {
    const log = readFileSync(again, "utf8");
    if (!log.includes(stamp.contracts)) throw new Error(`${again} is of other contracts or operators`);
    const left = new Set([...log.matchAll(/^(?:SURVIVED|LATE|BROKEN) {2}(.*)$/gm)].map(([, name]) => name));
    before.push(...mutants.filter((m) => !m.equivalent && !m.says && !left.has(nameOf(m))));
    before.forEach((m) => Object.assign(m, { result: "caught", by: "an earlier run" }));
    mutants = mutants.filter((m) => !m.result);
  }
  if (process.argv.includes("--list")) {
    mutants.forEach((m) => console.log(nameOf(m) + (m.equivalent ? `\n    the same: ${m.equivalent}` : "")));
    console.log(`${mutants.length} mutants, ${mutants.filter((m) => m.equivalent).length} that behave as the original`);
    return;
  }

  console.log(stamp.contracts);
  const sound = async (contract, made, what) => {
    const { result, by, why } = await test(contract, made);
    if (result === "survived") return;
    console.error(`the tests of ${contract} fail ${what}: ${by ?? why}`);
    process.exit(1);
  };
  for (const contract of new Set(mutants.map((m) => m.contract))) await sound(contract, {}, "without any change");

  const jobs = Number(option("--jobs") ?? Math.max(1, availableParallelism()));
  const workers = pool(jobs);
  const chunks = chunksOf(mutants);
  const compiled = async (list) => {
    const split = [];
    await workers.run(list, ({ contract, mutants, harness }) => ({
      contract,
      compile: {
        harness,
        files: mutants[0].apart
          ? { [mutants[0].file]: { content: rewrite(mutants[0].file, mutants[0].points.map((p) => ({ ...p, text: () => p.now }))) } }
          : together(contract, [...mutants, ...schemes.filter((m) => m.contract === contract)]),
      },
    }), (chunk, { made }) => {
      if (typeof made !== "string") return (chunk.code = chunk.mutants[0].apart ? () => made : numbered(made));
      // Too much for the compiler, or one of them is.
      if (chunk.mutants.length === 1) return invalid.set(chunk.mutants[0].id, made);
      const half = chunk.mutants.length >> 1;
      split.push({ ...chunk, mutants: chunk.mutants.slice(0, half) }, { ...chunk, mutants: chunk.mutants.slice(half) });
    });
    if (process.env.VERBOSE) console.log(`${list.length} compiled after ${seconds()}`);
    return split.length ? [...list.filter((c) => c.code), ...(await compiled(split))] : list.filter((c) => c.code);
  };
  const ready = await compiled(chunks);
  for (const { mutants, code } of ready) mutants.forEach((m) => (m.code = code));
  for (const m of mutants.filter((m) => m.apart && invalid.has(m.id))) throw new Error(`${nameOf(m)}: ${invalid.get(m.id)}`);
  const asleep = ready.filter((chunk) => !chunk.mutants[0].apart);
  await workers.run(asleep, ({ contract, code }) => ({ contract, made: code(0), tests: testsOf[contract] }), ({ contract }, { result, by, why }) => {
    if (result === "survived") return;
    console.error(`the tests of ${contract} fail with all mutants asleep: ${by ?? why}`);
    process.exit(1);
  });
  mutants = mutants.filter((m) => !invalid.has(m.id));
  console.log(`${mutants.length} mutants${sample ? ` (a sample of ${whole})` : ""} compiled in ${ready.length} after ${seconds()}`);

  const tested = Date.now();
  let done = 0;
  await workers.run(mutants, ({ contract, tests, code, id }) => ({ contract, tests, made: code(id) }), (m, answer) => {
    Object.assign(m, { result: answer.result, by: answer.by, error: answer.why });
    if (m.says && m.result === "caught" && answer.says !== m.says) {
      [m.result, m.error] = ["survived", `caught as ${JSON.stringify(answer.says)}, not ${JSON.stringify(m.says)}`];
    }
    if (m.result !== "caught" && !m.equivalent) console.log(`${m.result.toUpperCase()}  ${nameOf(m)}${m.error ? "\n" + m.error : ""}`);
    else if (process.env.VERBOSE) console.log(m.result === "caught" ? `caught by ${m.by}: ${nameOf(m)}` : `${m.result}: ${nameOf(m)}`);
    if (++done % 100 === 0) console.log(`${done}/${mutants.length} after ${seconds()}`);
  });
  await workers.end();
  const each = (Date.now() - tested) / 1000 / mutants.length;
  console.log(`${seconds()}, ${each.toFixed(2)} s each with ${jobs} jobs` + (sample ? `; a sample of ${mutants.length} out of ${whole}` : ""));
  const text = report([...mutants, ...before].sort((a, b) => a.id - b.id), invalid.size) +
    (before.length ? `${before.length} of them were caught by an earlier run, after which tests were added\n` : "");
  console.log(text);
  if (mutants.some((m) => (m.result === "caught") === !!m.equivalent)) process.exit(1);
  if (!sample && !only.length) writeFileSync(record, `${Object.values(stamp).join("\n")}\n\n${text}`);
}

// The report of the last run of all begins with what it was a run of.
const record = join(root, "mutation.txt");
function stampNow() {
  const hash = (...parts) => createHash("sha256").update(parts.join("\0")).digest("hex");
  const of = (files) => hash(...files.sort().flatMap((f) => [f, sources[f]?.content ?? readFileSync(join(root, f), "utf8")]));
  const tests = readdirSync(join(root, "test"), { recursive: true }).filter((f) => f.endsWith(".sol")).map((f) => `test/${f}`);
  return {
    contracts: `contracts ${of(["operators.mjs", ...new Set(Object.values(sourcesOf).flat())])}`,
    mutants: `mutants   ${of(["mutants.json"])}`,
    tests: `tests     ${of(tests)}`,
  };
}

function printRecord() {
  const text = readFileSync(record, "utf8");
  const stamp = stampNow();
  console.log(`The last run of all mutants:\n\n${text}`);
  if (!text.startsWith(`${stamp.contracts}\n${stamp.mutants}\n`)) {
    console.error("mutation.txt is of other contracts or mutants than these: make mutate");
    process.exit(1);
  }
  if (!text.includes(`\n${stamp.tests}\n`)) console.log("Tests have changed since: make mutate says what they catch now.");
}

// What is compiled at once: some hundreds of mutants of a contract, in the order in which they stand. Functions that a
// harness shows are compiled with it.
function chunksOf(mutants) {
  const size = 300;
  const groups = new Map();
  for (const m of mutants) {
    const few = mutants.filter((other) => other.contract === m.contract).length <= size;
    const shown = harnessOf[m.contract]?.of.includes(m.where);
    const key = m.apart ? `apart ${m.id}` : `${m.contract} ${few || !!shown}`;
    if (!groups.has(key)) groups.set(key, { contract: m.contract, mutants: [] });
    const group = groups.get(key);
    group.mutants.push(m);
    if (shown) group.harness = harnessOf[m.contract];
  }
  return [...groups.values()].flatMap((g) => {
    const n = Math.ceil(g.mutants.length / size);
    return Array.from({ length: n }, (_, i) => ({
      ...g, mutants: g.mutants.slice((i * g.mutants.length) / n, ((i + 1) * g.mutants.length) / n),
    }));
  });
}

// What a run found, in words.
function report(mutants, invalid) {
  const lines = [];
  const judged = mutants.filter((m) => !m.equivalent);
  const rows = [...new Set(mutants.map((m) => m.rule)), "all"].map((rule) => {
    const of = (list) => list.filter((m) => rule === "all" || m.rule === rule);
    const all = of(judged);
    return [rule, `${all.filter((m) => m.result === "caught").length}/${all.length}`, String(of(mutants).length - all.length || "")];
  });
  for (const [rule, caught, same] of [["operator", "caught/all", "survive, the same"], ...rows]) {
    lines.push(rule.padEnd(22) + caught.padStart(12) + same.padStart(20));
  }
  lines.push(`${invalid} more do not compile`, "");
  for (const m of mutants.filter((m) => m.says)) lines.push(`${m.result}: ${m.sentence}: "${m.says}"`);
  const same = mutants.filter((m) => m.equivalent && m.result !== "caught");
  lines.push("", `${same.length} survive because they behave as the original${same.length ? ":" : ""}`, "");
  for (const why of new Set(same.map((m) => m.equivalent))) {
    lines.push(...same.filter((m) => m.equivalent === why).map(nameOf), `    ${why}`);
  }
  for (const m of mutants.filter((m) => m.equivalent && m.result === "caught")) {
    lines.push(`NOT THE SAME (caught by ${m.by})  ${nameOf(m)}`, `    ${m.equivalent}`);
  }
  const missed = judged.filter((m) => m.result !== "caught");
  lines.push("", `${missed.length} survive that should not${missed.length ? ":" : ""}`);
  for (const m of missed) lines.push(`${m.result.toUpperCase()}  ${nameOf(m)}${m.error ? "\n" + m.error : ""}`);
  const caught = judged.length - missed.length;
  lines.push("", `mutants: ${caught} of ${judged.length} caught (${Math.floor((1000 * caught) / judged.length) / 10} %), ` +
    `${same.length} behave as the original`);
  return lines.map((line) => line.trimEnd() + "\n").join("");
}

if (isMainThread && process.argv.includes("--record")) printRecord();
else if (isMainThread) await main();
else work();
