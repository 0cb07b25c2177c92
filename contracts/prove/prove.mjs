// Proves of Channels what the tests can only try: for those of its functions that have no loop and open nothing, for all
// arguments, all that storage may hold and all that tokens, wallets and clocks may answer. What is run is the Yul that the
// optimizer made of the sources, of which the compiler makes the deployed code. The solver is Z3. Assumed is that hashes
// have no collisions, and, of what is stored, what is proved to stay so: a vault fits 96 bits, and nothing is settled above
// its ceiling. Who an ecrecover finds is unknown, but the same for the same words. Signatures are of 65 bytes, or of a few
// other lengths, which are a wallet's.
//
// Not proved are the functions that settle, reserve by signatures, release by one or open: there the solver does not come
// to an end. They are left to the tests.
//
// The broken contracts of broken.json, and those that mutants.json names for a property where one of these functions breaks
// it, must not be provable.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { id } from "ethers";
import { compile, root, sources, trees } from "../sources.mjs";
import { Bytes, paths } from "./machine.mjs";
import { add, and, apply, choose, hash, isHash, Script, shr, sub, symbol, unknown } from "./terms.mjs";

const require = createRequire(import.meta.url);
const { Z3 } = await require("z3-solver").init();
Z3.global_param_set("timeout", "60000");
// How long one function may take.
const LIMIT = 300_000;
const answers = new Map();
const ask = async (text) => {
  if (!answers.has(text)) answers.set(text, await solve(text));
  return answers.get(text);
};
const solve = async (text) => {
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
const NONCES = BigInt(id("byway.nonces"));
const nonceKey = (account, word) => hash(96, NONCES, account, word);
const isNonces = (key) => isHash(key, 96) && key.args[0] === NONCES;
const isVault = (key) => isHash(key, 96) && !isNonces(key);
const caller = () => symbol("caller", 160);
const self = () => symbol("address", 160);

const LOCK = BigInt("0x9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f00");
const selectorOf = (signature) => BigInt(id(signature).slice(0, 10));
const TOKEN = Object.fromEntries(Object.entries({
  balance: "balanceOf(address)", transfer: "transfer(address,uint256)", pull: "transferFrom(address,address,uint256)",
}).map(([name, signature]) => [name, selectorOf(signature)]));
const VALID = selectorOf("isValidSignature(bytes32,bytes)");
const HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0n;

// What is signed, as EIP-712 has it.
const hashed = (text) => BigInt(id(text));
const domain = (chain) => hash(160, hashed("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
  hashed("Byway Channels"), hashed("1"), chain, self());
const RELAY = "address relayer,uint96 maxFee,uint256 nonce,uint40 deadline";
const namesOf = (fields) => fields.split(",").map((f) => f.split(" ")[1]);
function digest(type, fields, a) {
  const relay = hash(160, hashed(`Relay(${RELAY})`), ...namesOf(RELAY).map((n) => a.relay[n]));
  const words = [hashed(`${type}(${fields},Relay relay)Relay(${RELAY})`), ...namesOf(fields).map((n) => a[n]), relay];
  const signed = new Bytes();
  signed.write(0, 0x1901n << 240n, 2);
  signed.write(2, domain(symbol("chainid")));
  signed.write(34, hash(32 * words.length, ...words));
  return hash(66, ...signed.words(0, 66));
}

// What the constructor stores.
const immutables = () => ({
  EXIT_DELAY: symbol("EXIT_DELAY", 40), CHAIN_ID: symbol("CHAIN_ID"), SEPARATOR: domain(symbol("CHAIN_ID")),
});

// A function's arguments as the words of a call, `clean` of bits that their types have not. Bytes have so many as is asked
// for; what comes behind them may be anything.
function callOf(entry, clean, length) {
  const data = [], args = {}, tails = [], narrow = [];
  const typeOf = ({ type, components }) => (components ? `(${components.map(typeOf)})` : type);
  let at = 0;
  const take = ({ name, type, components }, into, path) => {
    if (components) {
      const inner = (into[name] = {});
      return components.forEach((c) => take(c, inner, `${path} ${name}`));
    }
    if (type === "bytes") tails.push([at, into, name]);
    else {
      const bits = type === "address" ? 160 : Number(type.match(/^uint(\d+)$/)?.[1] ?? 256);
      const word = (into[name] = symbol(`${path} ${name}`, clean ? bits : 256));
      if (bits < 256) narrow.push([word, bits]);
      data.push([at, word]);
    }
    at += 32;
  };
  for (const i of entry.inputs) take(i, args, "arg");
  for (const [head, into, name] of tails) {
    data.push([head, BigInt(at)], [at, BigInt(length)]);
    const content = (into[name] = new Bytes());
    content.length = length;
    for (let i = 0; i < length; i += 32) {
      const word = symbol(`${name} ${i}`);
      content.write(i, word);
      data.push([at + 32 + i, word]);
    }
    at += 32 + 32 * Math.ceil(length / 32);
  }
  return { selector: selectorOf(`${entry.name}(${entry.inputs.map(typeOf)})`), data, args, narrow };
}

// What each function may do. `own` are the vault and channel it is about; `lowers` says when the ceiling may fall, `to`
// what; `starts`, `cancels` and `ends` what it may do to an exit and an epoch; `calls` are the calls of the token that it
// makes, one after the other, but for those of nothing; `leaves` is what the vault holds then. What is `signed` has a type.
const about = (a, payer, payee) => {
  const vault = vaultKey(a.token, payer, a.signer);
  return { vault, channel: payee === undefined ? undefined : channelKey(vault, payee) };
};
// The lesser one; which it is may be known of the path.
const least = (p, x, y) => {
  const less = lt(x, y);
  for (const [w, yes] of p.conditions) {
    if (w === less) return yes ? x : y;
    if (w === eq(less, 0n) || w === not(less)) return yes ? y : x;
  }
  return choose(less, x, y);
};
const ON_CHANNEL = "address token,address payer,address signer,address payee";
const due = (before) => all(not(eq(exitAt(before), 0n)), le(exitAt(before), symbol("timestamp", 40)));
const transfer = (to, amount) => [TOKEN.transfer, [to, amount], amount];
const pull = (from, to, amount) => [TOKEN.pull, [from, to, amount], amount];
// The fee out of the vault, as far as it goes, and out of the payer's own tokens.
const charged = (free, a, p) => {
  const covered = least(p, a.fee, free);
  return { covered, calls: [transfer(caller(), covered), pull(a.payer, caller(), sub(a.fee, covered))], leaves: sub(free, covered) };
};
const signed = (type, more = {}) => ({
  own: (a) => about(a, a.payer, a.payee), signed: [type, ON_CHANNEL], calls: (a, free, p) => charged(free, a, p).calls,
  leaves: (a, free, p) => charged(free, a, p).leaves, ...more,
});
const still = (a, free) => free;
const finishes = { lowers: due, to: (a, before) => settled(before) };
const functions = {
  deposit: { own: (a) => about(a, a.payer), pulls: true, refuses: (a) => [[a.payer, [0n]], [a.signer, [0n]]] },
  reserve: { own: (a) => about(a, caller(), a.payee), raises: true, refuses: (a) => [[a.payee, [0n, self(), a.token]]] },
  revoke: { own: (a) => about(a, caller(), a.payee), leaves: still, ends: true },
  startExit: { own: (a) => about(a, caller(), a.payee), leaves: still, starts: true },
  cancelExit: { own: (a) => about(a, caller(), a.payee), leaves: still, cancels: true },
  finishExit: { own: (a) => about(a, a.payer, a.payee), ...finishes },
  release: {
    own: (a) => about(a, a.payer, caller()), lowers: () => 1n,
    to: (a, before) => choose(lt(a.ceiling, settled(before)), settled(before), a.ceiling),
  },
  withdraw: {
    own: (a) => about(a, caller()), calls: (a) => [[...transfer(a.to, a.amount).slice(0, 2), 1n]], leaves: (a, free) => sub(free, a.amount),
    refuses: (a) => [[a.to, [0n, self(), a.token]]],
  },
  cancelNonces: { own: () => ({}), open: true, uses: (a) => [caller(), a.word, a.mask] },
  revokeSigned: signed("Revoke", { ends: true }),
  startExitSigned: signed("StartExit", { starts: true }),
  cancelExitSigned: signed("CancelExit", { cancels: true }),
  finishExitSigned: signed("FinishExit", finishes),
  withdrawSigned: signed("Withdraw", {
    own: (a) => about(a, a.payer), signed: ["Withdraw", "address token,address payer,address signer,uint96 amount,address to"],
    calls: (a, free, p) => {
      const { calls, leaves } = charged(free, a, p);
      return [transfer(a.to, least(p, a.amount, p.and(leaves, bits(96)))), ...calls];
    },
    leaves: (a, free, p) => {
      const { leaves } = charged(free, a, p);
      return sub(leaves, least(p, a.amount, p.and(leaves, bits(96))));
    },
    refuses: (a) => [[a.to, [0n, self(), a.token]]],
  }),
};
for (const f of Object.values(functions)) {
  if (f.signed) f.uses = (a) => [a.payer, shr(8, a.relay.nonce), apply("shl", and(a.relay.nonce, 255n), 1n), 1n];
}
// How long signatures are: a key's, and some that only a wallet may take.
const LENGTHS = [65, 0, 64, 96];

const facts = {
  held: "tokens held = Σ vaults + Σ (ceiling − settled), exactly, without a sum that wraps",
  words: "a vault fits 96 bits, and nothing is settled above its ceiling",
  frame: "only words of the vault, the channel and the account that the call is about change",
  settled: "what is settled stays",
  lowers: "a ceiling falls only when an exit is due or by the payee, to what it named or is settled, in a new epoch",
  raises: "a ceiling rises by the payer alone, to what it named, and during no exit",
  exits: "an exit is announced by the payer, for one delay, and ends by it, or where nothing is left",
  ends: "revoking ends the epoch and does nothing else",
  sends: "tokens go to nobody but whom the vault's owner named and the sender, as many as it named and as the fee is",
  fee: "the vault falls by what was sent and by the fee as far as it goes, and the account's own tokens pay the rest",
  refused: "nothing is paid in for the payer or the signer zero, or set aside for or sent to zero, the token or the contract",
  terms: "a signed action goes through for the sender that was signed or where none was, up to its fee, in its time, and once",
  nonce: "the account's number is used then and no other one, or those that it cancelled itself",
  signed: "the account's key signed the digest of all that is done, or the account has code that said so of this digest",
  lock: "the lock is closed during every call of another contract, and open at the end",
  effects: "no word is written after tokens were sent",
  clean: "arguments with bits that their types have not are refused",
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
  // What does not cancel out is the solver's.
  const side = (sign) => add(...[...sums].filter(([, n]) => n * sign > 0n).map(([atom, n]) => apply("mul", n * sign, atom)));
  return eq(side(1n), side(-1n));
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
    if (isNonces(key)) {
      must.frame.push(f.uses ? 1n : 0n);
    } else if (isHash(key, 96)) {
      must.words.push(le(value, bits(96)));
      must.frame.push(own.vault ? eq(key, own.vault) : 0n);
      owed = add(owed, sub(exact(value), before));
    } else if (isHash(key, 64)) {
      must.words.push(le(settled(value), ceiling(value)));
      must.frame.push(own.channel ? eq(key, own.channel) : 0n);
      must.settled.push(eq(settled(before), settled(value)));

      const lower = lt(ceiling(value), ceiling(before));
      const ended = choose(eq(epoch(before), LAST), LAST, add(epoch(before), 1n));
      must.lowers.push(implies(lower, all(f.lowers ? f.lowers(before) : 0n, f.to ? eq(ceiling(value), f.to(a, before)) : 0n,
        eq(epoch(value), ended))));
      must.lowers.push(implies(not(lower), any(f.ends ? 0n : eq(epoch(value), epoch(before)), f.lowers || f.ends ? eq(epoch(value), ended) : 0n)));
      must.raises.push(implies(lt(ceiling(before), ceiling(value)),
        f.raises ? all(eq(ceiling(value), a.ceiling), eq(exitAt(before), 0n)) : 0n));
      must.exits.push(any(
        eq(exitAt(value), exitAt(before)),
        f.starts ? all(eq(exitAt(before), 0n),
          eq(exitAt(value), add(symbol("timestamp", 40), symbol("EXIT_DELAY", 40)))) : 0n,
        f.cancels ? eq(exitAt(value), 0n) : 0n,
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
  const changing = p.calls.filter((c) => !c.view);
  for (const c of changing) {
    if (c.selector === TOKEN.transfer) held = sub(held, exact(c.args[1]));
    must.sends.push(eq(c.to, a.token), eq(c.value, 0n));
    // It said that it did, or nothing, as a contract.
    must.sends.push(c.ok ? 1n : 0n, c.empty ? not(eq(unknown("codesize", c.to), 0n)) : eq(c.answer, 1n));
    if (!f.pulls) must.effects.push(c.stores === p.stored.length ? 1n : 0n);
  }
  if (f.pulls) {
    // What is pulled is the caller's.
    const is = changing.length === 1 && changing[0].selector === TOKEN.pull;
    must.sends.push(is ? all(eq(changing[0].args[0], caller()), eq(changing[0].args[1], self()), eq(changing[0].args[2], a.amount)) : 0n);
  } else {
    let free = own.vault ? p.before(own.vault) : 0n;
    if (f.signed && f.lowers) {
      // First an exit that is due is finished, and the vault has what that freed.
      const was = p.before(own.channel);
      const finished = p.stored.some(([key]) => isHash(key, 64));
      must.fee.push(finished ? f.lowers(was) : eq(exitAt(was), 0n));
      const vaults = p.stored.filter(([key]) => isVault(key));
      const freed = vaults.length > (changing.some((c) => c.selector === TOKEN.transfer) ? 1 : 0) ? vaults[0][1] : free;
      must.fee.push(eq(freed, finished ? add(free, sub(ceiling(was), settled(was))) : free));
      free = freed;
    }
    if (own.vault) free = p.and(free, bits(96));
    must.sends.push(inTurn(changing, f.calls?.(a, free, p) ?? []));
    if (f.leaves) must.fee.push(eq(p.load(own.vault), f.leaves(a, free, p)));
  }
  if (f.ends) {
    must.ends.push(p.stored.some(([key]) => key === own.channel) ? 1n : 0n);
    const [was, is] = [p.before(own.channel), p.load(own.channel)];
    must.ends.push(eq(shr(24, is), shr(24, was)), eq(epoch(is), choose(eq(epoch(was), LAST), LAST, add(epoch(was), 1n))));
  }
  for (const [word, list] of f.refuses?.(a) ?? []) must.refused.push(list.map((w) => not(eq(word, w))));
  must.held.push(sameSum(owed, held));

  if (f.uses) {
    const [account, word, used, once] = f.uses(a);
    const key = nonceKey(account, word);
    const before = p.before(key);
    const stores = p.stored.filter(([k]) => isNonces(k));
    must.nonce.push(stores.length === 1 ? 1n : 0n);
    for (const [k, value, was] of stores) must.nonce.push(eq(k, key), eq(was, before), eq(value, apply("or", before, used)));
    if (once) must.terms.push(eq(and(before, used), 0n));
  }
  if (f.signed) {
    const { relayer, maxFee, deadline } = a.relay;
    must.terms.push(any(eq(relayer, 0n), eq(relayer, caller())), le(a.fee, maxFee), le(symbol("timestamp", 40), deadline));
    const wanted = digest(...f.signed, a);
    const asked = new Bytes();
    const length = a.signature.length, padded = 32 * Math.ceil(length / 32);
    asked.write(0, VALID << 224n, 4);
    asked.write(4, wanted);
    asked.write(36, 64n);
    asked.write(68, BigInt(length));
    asked.copy(100, 0, length, a.signature);
    const question = asked.words(0, 100 + padded);
    const views = p.calls.filter((c) => c.view);
    must.signed.push(any(
      length !== 65 ? 0n : p.recovered.map(([of, v, r, s, found]) => all(
        eq(of, wanted), eq(v, apply("byte", 0n, a.signature.read(64))), eq(r, a.signature.read(0)), eq(s, a.signature.read(32)),
        le(s, HALF_ORDER), eq(found, a.payer), not(eq(found, 0n)))),
      views.map((c) => (!c.ok || c.empty || c.input.length !== question.length ? 0n : all(
        eq(c.to, a.payer), not(eq(unknown("codesize", a.payer), 0n)), question.map((w, i) => eq(c.input[i], w)),
        eq(c.answer, VALID << 224n)))),
    ));
  }
  if (!f.open) for (const c of p.calls) must.lock.push(c.transient.get(LOCK) === 1n ? 1n : 0n);
  must.lock.push((p.transient.get(LOCK) ?? 0n) === 0n ? 1n : 0n);
  return Object.entries(must).flatMap(([fact, list]) => [...new Set(list.flat(9))].map((formula) => [fact, formula]));
}

// That calls are those that are wanted, but for some of nothing.
function inTurn(calls, wanted) {
  if (!wanted.length) return calls.length ? 0n : 1n;
  const [[selector, args, amount], ...rest] = wanted;
  const [c, ...others] = calls;
  const made = !c || c.selector !== selector ? 0n
    : all(not(eq(amount, 0n)), args.map((w, i) => eq(c.args[i], w)), inTurn(others, rest));
  return any(made, all(eq(amount, 0n), inTurn(calls, rest)));
}

// What a path is known by: `part` of its conditions, which are those before a signed action has used its number up, or those
// after. What follows from some of them follows from all; each part goes with many others, and is asked about once.
const BEFORE = new Set(["terms", "signed", "refused"]);
function scriptOf(p, part) {
  const s = new Script();
  for (const [word, yes] of part === "before" ? p.conditions.slice(0, p.storedAt) : part === "after" ? p.conditions.slice(p.storedAt) : p.conditions) s.assert(yes ? s.truth(word) : `(not ${s.truth(word)})`);
  const delay = symbol("EXIT_DELAY", 40);
  s.assert(s.truth(all(not(eq(delay, 0n)), le(delay, 30n * 86400n))));
  // What storage held before was as it is proved to stay.
  for (const key of p.loaded) {
    const word = p.before(key);
    if (isNonces(key)) continue;
    s.assert(s.truth(isHash(key, 96) ? le(word, bits(96)) : le(settled(word), ceiling(word))));
  }
  return s;
}

// Whether a formula holds on a path: "unsat" where it does.
const opposite = (p, formula, part) => {
  const s = scriptOf(p, part);
  const truth = s.truth(formula);
  return ask(`${s}\n(assert (not ${truth}))`);
};

// Returns how many paths there are, how many of them can be taken, and what could not be proved; `soon` ends with the first
// path where that is anything.
async function prove(name, code, abi, names, soon = false) {
  const entry = abi.find((e) => e.type === "function" && e.name === name);
  const f = functions[name];
  const failed = new Set();
  let walked = 0, possible = 0;
  const end = Date.now() + LIMIT;
  const known = () => {
    const values = immutables();
    return Object.fromEntries(Object.entries(names).map(([number, name]) => [number, values[name]]));
  };
  let call;
  for (const length of f.signed ? LENGTHS : [0]) {
    // Arguments are clean where a call goes through, and so they are taken to be from there on.
    for (const p of paths(code, () => (call = callOf(entry, false, length)), known)) {
      const unclean = call.narrow.filter(([word, n]) => {
        const cut = eq(word, and(word, bits(n)));
        return !p.conditions.some(([w, yes]) => (w === cut && yes) || (w === not(cut) && !yes));
      });
      if (!unclean.length) continue;
      if ((await opposite(p, all(unclean.map(([word, n]) => le(word, bits(n)))))) !== "unsat") failed.add("clean");
    }
    for (const p of paths(code, () => (call = callOf(entry, true, length)), known)) {
      walked++;
      if (Date.now() > end) failed.add("time");
      if ((soon && failed.size) || failed.has("time")) return { walked, possible, failed };
      const parts = f.signed ? ["before", "after"] : ["all"];
      let none = false;
      for (const part of parts) none ||= (await ask(scriptOf(p, part).toString())) === "unsat";
      if (none) continue;
      possible++;
      const list = obligations(name, f, p, call.args).filter(([, formula]) => formula !== 1n);
      for (const part of parts) {
        const of = list.filter(([fact]) => part === "all" || BEFORE.has(fact) === (part === "before"));
        if ((await opposite(p, all(of.map(([, formula]) => formula)), part)) === "unsat") of.forEach((o) => (o.proved = true));
      }
      for (const [fact, formula] of list.filter((o) => !o.proved)) {
        const answer = await opposite(p, formula);
        if (answer !== "unsat") failed.add(answer === "sat" ? fact : `${fact} (${answer})`);
      }
    }
    // With the lock closed nothing goes through.
    if (f.open) continue;
    for (const p of paths(code, () => ({ ...callOf(entry, true, length), locked: LOCK }), known)) {
      if ((await ask(scriptOf(p).toString())) !== "unsat") failed.add("lock");
    }
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
  for (const node of Object.values(out.sources).flatMap((s) => s.ast.nodes).flatMap((n) => n.nodes ?? [])) {
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
  const own = JSON.parse(readFileSync(join(root, "prove/broken.json"), "utf8"));
  for (const { rule, file, was, now, fails } of [...invariants, ...own].filter((m) => m.fails in functions)) {
    const { content } = sources[file];
    if (!content.includes(was)) {
      console.log(`NOT FOUND  broken ${fails} (${rule}): ${file} has no such place`);
      bad++;
      continue;
    }
    const broken = load({ [file]: { content: content.replace(was, () => now) } });
    const { failed } = await prove(fails, broken.code, broken.abi, broken.names, true);
    console.log(`${failed.size ? "refused" : "NOT REFUSED"}  broken ${fails} (${rule}): ${[...failed].join(", ")}, after ${seconds()}`);
    if (!failed.size) bad++;
  }
}
console.log(`${done} functions proved for all inputs in ${seconds()}`);
process.exit(bad ? 1 : 0);
