// Runs a contract's Yul on words that may be unknown, along every path. The contract's surroundings are free: storage
// holds anything, tokens and wallets answer anything. A run that reverts changes nothing and is not looked at any further.
import { and, apply, choose, forget, hash, isHash, joined, show, symbol, unknown } from "./terms.mjs";

class Halt {
  constructor(kind, value) {
    this.kind = kind;
    this.value = value;
  }
}
const leave = new Halt("leave"), next = new Halt("continue"), out = new Halt("break");

// Bytes at known places, each the ith of a word.
export class Bytes {
  bytes = new Map();
  write(at, word, length = 32, first = 0) {
    for (let i = 0; i < length; i++) this.bytes.set(at + i, [word, first + i]);
  }
  read(at) {
    const parts = [];
    for (let i = 0; i < 32; i++) {
      const [word, index] = this.bytes.get(at + i) ?? [0n, 0];
      const last = parts.at(-1);
      if (last && last[0] === word && (word === 0n || last[1] + last[2] === index)) last[2]++;
      else parts.push([word, index, 1]);
    }
    return joined(parts);
  }
  // So many bytes from there on, as words whose rest is zero.
  words(at, length) {
    return Array.from({ length: Math.ceil(length / 32) }, (_, i) => {
      const word = this.read(at + 32 * i);
      const rest = length - 32 * i;
      return rest >= 32 ? word : and(word, ((1n << BigInt(8 * rest)) - 1n) << BigInt(8 * (32 - rest)));
    });
  }
  copy(to, from, length, other = this) {
    const cut = Array.from({ length }, (_, i) => other.bytes.get(from + i) ?? [0n, 0]);
    cut.forEach((b, i) => this.bytes.set(to + i, b));
  }
}

const place = (v, what) => {
  if (typeof v !== "bigint") throw new Error(`${what} at a place that is not known: ${show(v)}`);
  if (v > 1n << 32n) throw new Error(`${what} at ${v}`);
  return Number(v);
};

// One path through the contract: `decisions` says how the first conditions that are open come out, the others are taken
// as true first, and noted in `open`.
class Path {
  memory = new Bytes();
  data = new Bytes();
  conditions = []; // [word, whether it is not zero]
  storedAt; // how many of them there were when a word was stored first
  stored = []; // [key, value, value before]
  loaded = new Set();
  calls = []; // of tokens and wallets
  recovered = []; // [digest, v, r, s, account]
  transient = new Map();
  answer = [0n, 0]; // the word that came back last, and its length
  taken = [];
  steps = 0;

  constructor(code, call, decisions, immutables) {
    this.code = code;
    this.decisions = decisions;
    this.immutables = immutables;
    this.functions = new Map();
    this.size = 4;
    this.data.write(0, BigInt(call.selector) << 224n, 4);
    for (const [at, word, length = 32] of call.data) {
      this.data.write(4 + at, word, length);
      this.size = Math.max(this.size, 4 + at + length);
    }
    if (call.locked) this.transient.set(call.locked, 1n);
  }

  // What a slot held at first. A channel's word is known by its parts, of 12, 12, 5 and 3 bytes.
  before(key) {
    if (!isHash(key, 64)) return unknown("before", key);
    return joined([12, 12, 5, 3].map((n, i) => [unknown(`before${i}`, key), 32 - n, n]));
  }

  // Whether a condition holds: both ways are walked where it is open.
  decide(word) {
    if (typeof word === "bigint") return word !== 0n;
    for (const [w, yes] of this.conditions) if (w === word) return yes;
    const yes = this.decisions[this.taken.length] ?? true;
    this.taken.push(yes);
    this.conditions.push([word, yes]);
    return yes;
  }

  // Bits cut off a word that has none there, as the path is known to have asked, leave it as it is.
  and(a, b) {
    for (const [mask, word] of [[a, b], [b, a]]) {
      if (typeof mask !== "bigint" || typeof word === "bigint" || (mask & (mask + 1n)) !== 0n) continue;
      const above = apply("gt", word, mask);
      if (this.conditions.some(([w, yes]) => w === above && !yes)) return word;
    }
    return and(a, b);
  }

  load(key) {
    this.loaded.add(key);
    return this.stored.reduce((value, [k, v]) => choose(apply("eq", key, k), v, value), this.before(key));
  }

  run() {
    try {
      this.block(this.code, new Map());
      return "stop";
    } catch (h) {
      if (!(h instanceof Halt)) throw h;
      this.returned = h.value;
      return h.kind;
    }
  }

  // Functions may be named before they are defined.
  block(node, outer) {
    const scope = Object.create(null);
    const env = { scope, outer };
    for (const s of node.statements) if (s.nodeType === "YulFunctionDefinition") this.functions.set(s.name, s);
    for (const s of node.statements) this.statement(s, env);
  }

  find(env, name) {
    for (let e = env; e && e.scope; e = e.outer) if (name in e.scope) return e.scope;
    throw new Error(`no variable ${name}`);
  }

  statement(s, env) {
    if (++this.steps > 200_000) throw new Error("a path without end");
    switch (s.nodeType) {
      case "YulFunctionDefinition":
        return;
      case "YulBlock":
        return this.block(s, env);
      case "YulVariableDeclaration": {
        const values = s.value ? this.values(s.value, env) : s.variables.map(() => 0n);
        s.variables.forEach((v, i) => (env.scope[v.name] = values[i]));
        return;
      }
      case "YulAssignment": {
        const values = this.values(s.value, env);
        s.variableNames.forEach((v, i) => (this.find(env, v.name)[v.name] = values[i]));
        return;
      }
      case "YulExpressionStatement":
        this.values(s.expression, env);
        return;
      case "YulIf":
        if (this.decide(this.value(s.condition, env))) this.block(s.body, env);
        return;
      case "YulSwitch": {
        const on = this.value(s.expression, env);
        for (const c of s.cases) {
          if (c.value !== "default" && !this.decide(apply("eq", on, BigInt(c.value.value)))) continue;
          return this.block(c.body, env);
        }
        return;
      }
      case "YulForLoop": {
        const inner = { scope: Object.create(null), outer: env };
        for (const p of s.pre.statements) this.statement(p, inner);
        while (this.decide(this.value(s.condition, inner))) {
          try {
            this.block(s.body, inner);
          } catch (h) {
            if (h === out) return;
            if (h !== next) throw h;
          }
          this.block(s.post, inner);
        }
        return;
      }
      case "YulLeave":
        throw leave;
      case "YulContinue":
        throw next;
      case "YulBreak":
        throw out;
      default:
        throw new Error(`a ${s.nodeType}`);
    }
  }

  value(e, env) {
    return this.values(e, env)[0];
  }

  values(e, env) {
    if (e.nodeType === "YulLiteral") {
      if (e.kind === "string") return [BigInt("0x" + (e.hexValue ?? "").padEnd(64, "0"))];
      if (e.kind === "bool") return [e.value === "true" ? 1n : 0n];
      return [BigInt(e.value)];
    }
    if (e.nodeType === "YulIdentifier") return [this.find(env, e.name)[e.name]];
    const name = e.functionName.name;
    if (name === "loadimmutable") return [this.immutables[e.arguments[0].value]];
    // From the last to the first, as the compiler has it.
    const args = [];
    for (let i = e.arguments.length - 1; i >= 0; i--) args[i] = this.value(e.arguments[i], env);
    const f = this.functions.get(name);
    if (!f) {
      const value = this.builtin(name, args);
      return value === undefined ? [] : [value];
    }
    const scope = Object.create(null);
    (f.parameters ?? []).forEach((p, i) => (scope[p.name] = args[i]));
    (f.returnVariables ?? []).forEach((r) => (scope[r.name] = 0n));
    try {
      this.block(f.body, { scope, outer: undefined });
    } catch (h) {
      if (h !== leave) throw h;
    }
    return (f.returnVariables ?? []).map((r) => scope[r.name]);
  }

  builtin(name, args) {
    const at = (i) => place(args[i], name);
    const memory = this.memory;
    switch (name) {
      case "and":
        return this.and(...args);
      case "add": case "sub": case "mul": case "div": case "mod": case "or": case "xor": case "not": case "shl":
      case "shr": case "byte": case "lt": case "gt": case "slt": case "sgt": case "eq": case "iszero":
        return apply(name, ...args);
      case "memoryguard":
        return args[0];
      case "pop": case "log0": case "log1": case "log2": case "log3": case "log4":
        return undefined;
      case "mload":
        return memory.read(at(0));
      case "mstore":
        return memory.write(at(0), args[1]);
      case "mstore8":
        return memory.write(at(0), args[1], 1, 31);
      case "mcopy":
        return memory.copy(at(0), at(1), at(2));
      case "calldatasize":
        return BigInt(this.size);
      case "calldataload":
        return this.data.read(at(0));
      case "calldatacopy":
        return memory.copy(at(0), at(1), at(2), this.data);
      case "keccak256":
        return hash(at(1), ...this.memory.words(at(0), at(1)));
      case "sload":
        return this.load(args[0]);
      case "sstore":
        this.stored.push([args[0], args[1], this.load(args[0])]);
        this.storedAt ??= this.conditions.length;
        return undefined;
      case "tload":
        return this.transient.get(args[0]) ?? 0n;
      case "tstore":
        this.transient.set(args[0], args[1]);
        return undefined;
      case "caller": case "address": case "origin":
        return symbol(name, 160);
      case "callvalue": case "chainid":
        return symbol(name);
      case "timestamp":
        return symbol(name, 40);
      case "gas":
        return symbol("gas");
      case "extcodesize":
        return unknown("codesize", args[0]);
      case "returndatasize":
        return BigInt(this.answer[1]);
      case "returndatacopy": {
        const whole = new Bytes();
        whole.write(0, this.answer[0]);
        return memory.copy(at(0), at(1), at(2), whole);
      }
      case "staticcall":
        return this.call(true, args[1], 0n, at(2), at(3), at(4), at(5));
      case "call":
        return this.call(false, args[1], args[2], at(3), at(4), at(5), at(6));
      case "return": case "revert": case "invalid": case "stop":
        throw new Halt(name, name === "return" && at(1) ? this.memory.words(at(0), at(1)) : undefined);
      default:
        throw new Error(`no ${name} here`);
    }
  }

  call(view, to, value, from, length, at, most) {
    if (to === 1n) {
      const input = this.memory.words(from, length);
      const account = and(unknown("signer", ...input), (1n << 160n) - 1n);
      if (!this.decide(unknown("recovers", ...input))) {
        this.answer = [0n, 0];
        return 1n;
      }
      this.recovered.push([...input, account]);
      this.memory.write(at, account);
      this.answer = [account, 32];
      return 1n;
    }
    const selector = apply("shr", 224n, this.memory.read(from));
    const n = `${view ? "of view " : ""}${this.calls.filter((c) => c.view === view).length}`;
    const args = Array.from({ length: Math.floor((length - 4) / 32) }, (_, i) => this.memory.read(from + 4 + 32 * i));
    const record = {
      view, to, value, selector, args, input: this.memory.words(from, length), stores: this.stored.length,
      transient: new Map(this.transient),
    };
    this.calls.push(record);
    record.ok = this.decide(symbol(`success ${n}`));
    // Each may answer with a word, or with nothing as the oldest tokens do.
    const empty = (record.empty = !record.ok || this.decide(symbol(`empty ${n}`)));
    const word = (record.answer = symbol(`answer ${n}`));
    this.answer = empty ? [0n, 0] : [word, 32];
    if (!empty) this.memory.write(at, word, Math.min(32, most));
    return record.ok ? 1n : 0n;
  }
}

// Every path on which a call goes through.
export function* paths(code, call, immutables) {
  const todo = [[]];
  let walked = 0;
  while (todo.length) {
    if (++walked > 20_000) throw new Error("too many paths");
    forget();
    const path = new Path(code, call(), todo.pop(), immutables());
    const kind = path.run();
    for (let i = path.decisions.length; i < path.taken.length; i++) todo.push([...path.taken.slice(0, i), false]);
    if (kind === "return" || kind === "stop") yield path;
  }
}
