// Proves of Channels what the tests can only try: for seven of its functions, for all arguments, all that storage may hold
// and all that tokens and clocks may answer. What is run is the Yul that the optimizer made of the sources, of which the
// compiler makes the deployed code. The solver is Z3. Assumed is that hashes have no collisions, and, of what is stored,
// what is proved to stay so: a vault fits 96 bits, and nothing is settled above its ceiling.
//
// Not proved are the functions that recover signatures or set aside in one call with a deposit: there the solver does not
// come to an end. They are left to the tests.
//
// The broken contracts that mutants.json names for a property must not be provable, where one of the seven breaks it.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { id } from "ethers";
import { compile, root, sources, trees } from "../sources.mjs";
import { paths } from "./machine.mjs";
import { add, and, apply, choose, hash, isHash, Script, shr, sub, symbol } from "./terms.mjs";

const require = createRequire(import.meta.url);
const { Z3 } = await require("z3-solver").init();
Z3.global_param_set("timeout", "120000");
const ask = async (text) => {
  const config = Z3.mk_config();
  const context = Z3.mk_context(config);
  const solver = Z3.mk_solver(context);
  Z3.solver_inc_ref(context, solver);
  Z3.solver_from_string(context, solver, text);
  const answer = await Z3.solver_check(context, solver);
  Z3.solver_dec_ref(context, solver);
  Z3.del_context(context);
  Z3.del_config(config);
  return answer === 1 ? "sat" : answer === -1 ? "unsat" : "unknown";
};

// Formulas: words that are one or zero.
const not = (a) => apply("iszero", a);
const eq = (a, b) => apply("eq", a, b);
const le = (a, b) => not(apply("gt", a, b));
const lt = (a, b) => apply("lt", a, b);
const all = (...list) => list.flat(9).reduce((a, b) => (a === 1n ? b : b === 1n ? a : a === 0n || b === 0n ? 0n : apply("and", a, b)), 1n);
const any = (...list) => list.flat(9).reduce((a, b) => (a === 0n ? b : b === 0n ? a : a === 1n || b === 1n ? 1n : apply("or", a, b)), 0n);
const implies = (a, b) => any(not(a), b);

const bits = (n) => (1n << BigInt(n)) - 1n;
const settled = (w) => shr(160, w);
const ceiling = (w) => and(shr(64, w), bits(96));
const exitAt = (w) => and(shr(24, w), bits(40));
const epoch = (w) => and(w, bits(24));
const LAST = bits(24);

const vaultKey = (token, payer, signer) => hash(96, token, payer, signer);
const channelKey = (vault, payee) => hash(64, vault, payee);
const caller = () => symbol("caller", 160);
const self = () => symbol("address", 160);

const LOCK = BigInt("0x9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f00");
const selectorOf = (signature) => BigInt(id(signature).slice(0, 10));
const TOKEN = Object.fromEntries(Object.entries({
  balance: "balanceOf(address)", transfer: "transfer(address,uint256)", pull: "transferFrom(address,address,uint256)",
}).map(([name, signature]) => [name, selectorOf(signature)]));

const immutables = () => ({
  EXIT_DELAY: symbol("EXIT_DELAY", 40), CHAIN_ID: symbol("CHAIN_ID"), SEPARATOR: symbol("SEPARATOR"),
});

// A function's arguments as the words of a call.
function callOf(entry) {
  const args = Object.fromEntries(entry.inputs.map(({ name }) => [name, symbol(`arg ${name}`)]));
  const types = entry.inputs.map((i) => i.type).join(",");
  return { selector: selectorOf(`${entry.name}(${types})`), data: Object.values(args).map((word, i) => [32 * i, word]), args };
}

// What each function may do. `own` are the vault and channel it is about; `lowers` says when the ceiling may fall, `to`
// what; `sends` are the transfers it may make.
const about = (a, payer, payee) => {
  const vault = vaultKey(a.token, payer, a.signer);
  return { vault, channel: payee === undefined ? undefined : channelKey(vault, payee) };
};
const functions = {
  deposit: { own: (a) => about(a, a.payer), pulls: true },
  reserve: { own: (a) => about(a, caller(), a.payee), raises: true },
  startExit: { own: (a) => about(a, caller(), a.payee), still: true },
  cancelExit: { own: (a) => about(a, caller(), a.payee), still: true },
  finishExit: {
    own: (a) => about(a, a.payer, a.payee),
    lowers: (before) => all(not(eq(exitAt(before), 0n)), le(exitAt(before), symbol("timestamp", 40))),
    to: (a, before) => settled(before),
  },
  release: {
    own: (a) => about(a, a.payer, caller()), lowers: () => 1n,
    to: (a, before) => choose(lt(a.ceiling, settled(before)), settled(before), a.ceiling),
  },
  withdraw: { own: (a) => about(a, caller()), sends: (a) => [[a.to, a.amount]] },
};

const facts = {
  held: "tokens held = Σ vaults + Σ (ceiling − settled), exactly, without a sum that wraps",
  words: "a vault fits 96 bits, and nothing is settled above its ceiling",
  frame: "only words of the vault and the channel that the call is about change",
  settled: "what is settled stays",
  lowers: "a ceiling falls only when an exit is due or by the payee, to what it named or is settled, in a new epoch",
  raises: "a ceiling rises by the payer alone, to what it named, and during no exit",
  exits: "an exit is announced by the payer, for one delay, and ends by it, or where nothing is left",
  sends: "tokens go to nobody but whom the vault's owner named, as many as it named",
  lock: "the lock is closed during every call of another contract, and open at the end",
  effects: "no word is written after tokens were sent",
};

// A sum without the masks that cut its parts to so many bits, and its addends. Where the masks cut nothing off, which has
// to be proved beside, adding up what moved is plain algebra.
function bare(t) {
  if (typeof t === "bigint") return t;
  const low = (v) => typeof v === "bigint" && (v & (v + 1n)) === 0n;
  const cut = (x) => (x.op === "shr" ? t : bare(x));
  if (t.op === "and" && low(t.args[0])) return cut(t.args[1]);
  if (t.op === "and" && low(t.args[1])) return cut(t.args[0]);
  if (t.op === "add" || t.op === "sub") return apply(t.op, ...t.args.map(bare));
  if (t.op === "joined" && t.parts.length === 2 && t.parts[0][0] === 0n) {
    const [word, first, length] = t.parts[1];
    if (first + length === 32 && !word.extra.startsWith("before")) return bare(word);
  }
  return t;
}
const addends = (t) => (typeof t !== "bigint" && t.op === "add" ? t.args.flatMap(addends) : [t]);
// Whether two sums are the same, by their addends where these alone show it.
function sameSum(a, b) {
  const sums = new Map();
  const count = (t, sign) => {
    if (typeof t !== "bigint" && (t.op === "add" || t.op === "sub")) {
      count(t.args[0], sign);
      count(t.args[1], t.op === "add" ? sign : -sign);
    } else {
      const [atom, times] = typeof t === "bigint" ? [1n, t] : [t, 1n];
      sums.set(atom, (sums.get(atom) ?? 0n) + sign * times);
    }
  };
  count(a, 1n);
  count(b, -1n);
  return [...sums.values()].every((n) => n === 0n) ? 1n : eq(a, b);
}
const shifted = (t, n) => typeof t !== "bigint" && t.op === "shl" && t.args[0] === BigInt(n);

// What must hold on one path.
function obligations(name, f, p, a) {
  const own = f.own(a);
  const must = Object.fromEntries(Object.keys(facts).map((k) => [k, []]));
  let owed = 0n;
  const exact = (t) => {
    const plain = bare(t);
    if (plain !== t) must.words.push(eq(t, plain));
    return plain;
  };
  for (const [key, value, before] of p.stored) {
    if (isHash(key, 96)) {
      must.words.push(le(value, bits(96)));
      must.frame.push(f.still ? 0n : eq(key, own.vault));
      owed = add(owed, sub(exact(value), before));
    } else if (isHash(key, 64)) {
      must.words.push(le(settled(value), ceiling(value)));
      must.frame.push(own.channel ? eq(key, own.channel) : 0n);
      must.settled.push(eq(settled(before), settled(value)));

      const lower = lt(ceiling(value), ceiling(before));
      const ended = choose(eq(epoch(before), LAST), LAST, add(epoch(before), 1n));
      must.lowers.push(implies(lower, all(f.lowers ? f.lowers(before) : 0n, f.to ? eq(ceiling(value), f.to(a, before)) : 0n,
        eq(epoch(value), ended))));
      must.lowers.push(implies(not(lower), any(eq(epoch(value), epoch(before)), f.lowers ? eq(epoch(value), ended) : 0n)));
      must.raises.push(implies(lt(ceiling(before), ceiling(value)),
        f.raises ? all(eq(ceiling(value), a.ceiling), eq(exitAt(before), 0n)) : 0n));
      must.exits.push(any(
        eq(exitAt(value), exitAt(before)),
        name === "startExit" ? all(eq(exitAt(before), 0n),
          eq(exitAt(value), add(symbol("timestamp", 40), symbol("EXIT_DELAY", 40)))) : 0n,
        name === "cancelExit" ? eq(exitAt(value), 0n) : 0n,
        f.lowers ? all(eq(exitAt(value), 0n), eq(ceiling(value), settled(value))) : 0n,
      ));
      // Where amounts are added within the word each must stay in its field.
      const parts = addends(value);
      const [up, down] = [64, 160].map((n) => add(...parts.filter((t) => shifted(t, n)).map((t) => t.args[1])));
      const rest = parts.filter((t) => !shifted(t, 64) && !shifted(t, 160));
      if (rest.length === 1 && rest[0] === before && parts.length > 1) {
        must.words.push(eq(ceiling(value), add(ceiling(before), up)), eq(settled(value), add(settled(before), down)));
        owed = add(owed, sub(exact(up), exact(down)));
      } else {
        const reserved = (w) => sub(exact(ceiling(w)), exact(settled(w)));
        owed = add(owed, sub(reserved(value), reserved(before)));
      }
    } else {
      must.frame.push(0n);
    }
  }

  let held = 0n;
  const balances = p.calls.filter((c) => c.view && c.selector === TOKEN.balance);
  if (f.pulls) {
    if (balances.length !== 2) must.held.push(0n);
    else held = sub(balances[1].answer, balances[0].answer);
    must.held.push(balances.map((c) => all(eq(c.to, a.token), eq(c.args[0], self()))));
  }
  const sent = p.calls.filter((c) => !c.view && c.selector === TOKEN.transfer);
  const may = f.sends?.(a) ?? [];
  for (const c of sent) {
    held = sub(held, exact(c.args[1]));
    must.sends.push(all(eq(c.to, a.token), any(may.map(([to, amount]) => all(eq(c.args[0], to), eq(c.args[1], amount))))));
    must.effects.push(c.stores === p.stored.length ? 1n : 0n);
  }
  must.sends.push(sent.length <= may.length ? 1n : 0n);
  must.held.push(sameSum(owed, held));
  for (const c of p.calls.filter((c) => !c.view)) {
    must.lock.push(c.transient.get(LOCK) === 1n ? 1n : 0n);
    must.sends.push(eq(c.value, 0n));
    const wanted = c.selector === TOKEN.transfer || (f.pulls && c.selector === TOKEN.pull);
    must.sends.push(wanted ? eq(c.to, a.token) : 0n);
    // What is pulled is the caller's.
    if (c.selector === TOKEN.pull) must.sends.push(all(eq(c.args[0], caller()), eq(c.args[1], self())));
  }
  must.lock.push((p.transient.get(LOCK) ?? 0n) === 0n ? 1n : 0n);
  return Object.entries(must).flatMap(([fact, list]) => [...new Set(list.flat(9))].map((formula) => [fact, formula]));
}

function scriptOf(p) {
  const s = new Script();
  for (const [word, yes] of p.conditions) s.assert(yes ? s.truth(word) : `(not ${s.truth(word)})`);
  const delay = symbol("EXIT_DELAY", 40);
  s.assert(s.truth(all(not(eq(delay, 0n)), le(delay, 30n * 86400n))));
  // What storage held before was as it is proved to stay.
  for (const key of p.loaded) {
    const word = p.before(key);
    s.assert(s.truth(isHash(key, 96) ? le(word, bits(96)) : le(settled(word), ceiling(word))));
  }
  return s;
}

// Returns how many paths there are, how many of them can be taken, and what could not be proved.
async function prove(name, code, abi, names) {
  const entry = abi.find((e) => e.type === "function" && e.name === name);
  const f = functions[name];
  const failed = new Set();
  let walked = 0, possible = 0;
  const known = () => {
    const values = immutables();
    return Object.fromEntries(Object.entries(names).map(([number, name]) => [number, values[name]]));
  };
  let call;
  for (const p of paths(code, () => (call = callOf(entry)), known)) {
    walked++;
    if ((await ask(scriptOf(p).toString())) === "unsat") continue;
    possible++;
    for (const [fact, formula] of obligations(name, f, p, call.args)) {
      if (formula === 1n) continue;
      const s = scriptOf(p);
      const truth = s.truth(formula);
      const answer = await ask(`${s}\n(assert (not ${truth}))`);
      if (answer !== "unsat") failed.add(answer === "sat" ? fact : `${fact} (${answer})`);
    }
  }
  // With the lock closed nothing goes through.
  for (const p of paths(code, () => ({ ...callOf(entry), locked: LOCK }), known)) {
    if ((await ask(scriptOf(p).toString())) !== "unsat") failed.add("lock");
  }
  if (possible === 0) failed.add("no path at all");
  return { walked, possible, failed };
}

// The optimized Yul of a version of the contract, its interface, and what its immutables are called.
function load(changed = {}) {
  const file = "src/Channels.sol";
  const out = compile({ ...sources, ...changed }, {
    [file]: { Channels: ["irOptimizedAst", "abi", "evm.deployedBytecode.object"] }, "*": { "": ["ast"] },
  }, { experimental: true });
  const error = (out.errors ?? []).find((e) => e.severity === "error");
  if (error) throw new Error(error.formattedMessage);
  const made = out.contracts[file].Channels;
  const names = {};
  for (const node of out.sources[file].ast.nodes.flatMap((n) => n.nodes ?? [])) {
    if (node.mutability === "immutable") names[node.id] = node.name;
  }
  const deployed = made.irOptimizedAst.subObjects.find((o) => o.name.endsWith("_deployed"));
  return { code: deployed.code.block, abi: made.abi, names, runtime: "0x" + made.evm.deployedBytecode.object };
}

trees();
const began = Date.now();
const seconds = () => `${Math.round((Date.now() - began) / 1000)} s`;
const contract = load();
const artifact = JSON.parse(readFileSync(join(root, "deploy/artifacts/Channels.json"), "utf8"));
if (contract.runtime !== artifact.runtime) throw new Error("this Yul does not compile to deploy/artifacts/Channels.json");
const only = process.argv.slice(2);
let bad = 0, done = 0;
for (const name of Object.keys(functions)) {
  if (only.length && !only.includes(name)) continue;
  const { walked, possible, failed } = await prove(name, contract.code, contract.abi, contract.names);
  console.log(`${failed.size ? "NOT PROVED" : "proved"}  ${name}: ${possible} paths of ${walked}, after ${seconds()}`);
  for (const fact of failed) console.log(`    ${facts[fact.split(" ")[0]] ?? ""} (${fact})`);
  failed.size ? bad++ : done++;
}
if (!only.length) {
  for (const fact of Object.values(facts)) console.log(`  ${fact}`);
  const { invariants } = JSON.parse(readFileSync(join(root, "mutants.json"), "utf8"));
  for (const { rule, file, was, now, fails } of invariants.filter((m) => m.fails in functions)) {
    const broken = load({ [file]: { content: sources[file].content.replace(was, () => now) } });
    const { failed } = await prove(fails, broken.code, broken.abi, broken.names);
    console.log(`${failed.size ? "refused" : "NOT REFUSED"}  broken ${fails} (${rule}): ${[...failed].join(", ")}, after ${seconds()}`);
    if (!failed.size) bad++;
  }
}
console.log(`${done} functions proved for all inputs in ${seconds()}`);
process.exit(bad ? 1 : 0);
