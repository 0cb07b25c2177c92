// Words of 256 bits that may be unknown: expressions over symbols, each kept once, folded where all is known, and written
// out for an SMT solver as bit vectors. Hashes and signatures are uninterpreted functions; a hash is taken to have no
// collisions.
import { keccak256 } from "ethers";

const SIZE = 1n << 256n;
export const MASK = SIZE - 1n;
const wrap = (v) => ((v % SIZE) + SIZE) % SIZE;
const signed = (v) => (v >> 255n ? v - SIZE : v);

let known = new Map();
let count = 0;

// Nodes of one path need not outlive it.
export function forget() {
  known = new Map();
  count = 0;
}

function node(op, args, extra = "") {
  const key = `${op}|${extra}|${args.map((a) => (typeof a === "bigint" ? `#${a}` : a.id)).join(",")}`;
  let n = known.get(key);
  if (!n) known.set(key, (n = { id: `n${count++}`, op, args, extra }));
  return n;
}

export const symbol = (name, bits = 256) => {
  const s = node("symbol", [], name);
  s.bits = bits;
  return s;
};

const known_ = (v) => typeof v === "bigint";
const folds = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => (b ? a / b : 0n),
  mod: (a, b) => (b ? a % b : 0n),
  and: (a, b) => a & b,
  or: (a, b) => a | b,
  xor: (a, b) => a ^ b,
  not: (a) => MASK ^ a,
  shl: (n, a) => (n < 256n ? a << n : 0n),
  shr: (n, a) => (n < 256n ? a >> n : 0n),
  byte: (i, a) => (i < 32n ? (a >> (8n * (31n - i))) & 255n : 0n),
  lt: (a, b) => (a < b ? 1n : 0n),
  gt: (a, b) => (a > b ? 1n : 0n),
  slt: (a, b) => (signed(a) < signed(b) ? 1n : 0n),
  sgt: (a, b) => (signed(a) > signed(b) ? 1n : 0n),
  eq: (a, b) => (a === b ? 1n : 0n),
  iszero: (a) => (a === 0n ? 1n : 0n),
};
const truths = new Set(["lt", "gt", "slt", "sgt", "eq", "iszero", "holds"]);
const truth = (n) => !known_(n) && (truths.has(n.op) || ((n.op === "and" || n.op === "or") && n.args.every(truth)));

export function apply(op, ...args) {
  if (args.every(known_)) return wrap(folds[op](...args));
  const [a, b] = args;
  switch (op) {
    case "add":
    case "or":
      if (a === 0n) return b;
      if (b === 0n) return a;
      break;
    case "sub":
      if (b === 0n) return a;
      if (a === b) return 0n;
      break;
    case "and":
      for (const [x, y] of [[a, b], [b, a]]) {
        const cut = known_(x) && y.op === "joined" && moved("and", x, y);
        if (cut !== undefined && cut !== false) return cut;
      }
      if (a === 0n || b === 0n) return 0n;
      if (a === MASK || a === b) return b;
      if (b === MASK) return a;
      if (a === 1n && truth(b)) return b;
      if (b === 1n && truth(a)) return a;
      for (const [x, y] of [[a, b], [b, a]]) {
        if (!known_(x)) continue;
        if (y.op === "and" && known_(y.args[0])) return apply("and", x & y.args[0], y.args[1]);
        if (y.op === "and" && known_(y.args[1])) return apply("and", x & y.args[1], y.args[0]);
        if (y.op === "shl" && known_(y.args[0])) {
          return apply("shl", y.args[0], apply("and", (x >> y.args[0]) & (MASK >> y.args[0]), y.args[1]));
        }
        if (y.bits && x === (1n << BigInt(y.bits)) - 1n) return y;
      }
      break;
    case "shl":
    case "shr":
      if (a === 0n) return b;
      if (known_(a) && b.op === "joined") {
        const cut = moved(op, a, b);
        if (cut !== undefined) return cut;
      }
      break;
    case "eq":
      if (a === b) return 1n;
      for (const [x, y] of [[a, b], [b, a]]) if (known_(x) && (y.bits ? x >> BigInt(y.bits) : y.op === "joined" && differs(y, x))) return 0n;
      // Hashes of so many bytes are none of another length, and none of bytes that differ.
      if (!known_(a) && !known_(b) && a.op === "unknown" && b.op === "unknown" && a.extra.startsWith("hash") && b.extra.startsWith("hash")) {
        if (a.extra !== b.extra) return 0n;
        return a.args.map((x, i) => apply("eq", x, b.args[i])).reduce((x, y) => (x === 1n ? y : y === 1n ? x : x === 0n || y === 0n ? 0n : apply("and", x, y)));
      }
      break;
    case "lt":
    case "gt":
      if (a === b) return 0n;
      break;
    case "iszero":
      if (!known_(a) && a.op === "iszero" && truth(a.args[0])) return a.args[0];
      break;
    case "mul":
      if (a === 0n || b === 0n) return 0n;
      if (a === 1n) return b;
      if (b === 1n) return a;
      break;
  }
  return node(op, args);
}

export const add = (...a) => a.reduce((x, y) => apply("add", x, y), 0n);
export const sub = (a, b) => apply("sub", a, b);
export const and = (a, b) => apply("and", a, b);
export const shr = (n, a) => apply("shr", BigInt(n), a);
export const choose = (condition, a, b) => (known_(condition) ? (condition ? a : b) : a === b ? a : node("choose", [condition, a, b]));
// A function of words that nothing is known of, but that equal arguments give equal results.
export const unknown = (name, ...args) => node("unknown", args, `${name}_${args.length}`);
export const hash = (length, ...words) =>
  words.every(known_)
    ? BigInt(keccak256(`0x${words.map((w) => w.toString(16).padStart(64, "0")).join("").slice(0, 2 * length)}`))
    : node("unknown", words, `hash${length}_${words.length}`);
export const isHash = (n, length) => !known_(n) && n.op === "unknown" && n.extra.startsWith(`hash${length}_`);
// The parts of a part.
function flat([word, first, length]) {
  if (known_(word) || word.op !== "joined") return [[word, first, length]];
  let at = 0;
  return word.parts.flatMap(([w, f, n]) => {
    const [from, to] = [Math.max(first, at), Math.min(first + length, at + n)];
    const part = from < to ? [[w, f + from - at, to - from]] : [];
    at += n;
    return part;
  });
}

// 32 bytes out of others: parts are [word, first byte, number of bytes], from the highest on.
export function joined(parts) {
  const list = [];
  for (const [word, first, length] of parts.flatMap(flat)) {
    if (length === 0) continue;
    const last = list.at(-1);
    if (known_(word)) {
      const cut = (word >> BigInt(8 * (32 - first - length))) & ((1n << BigInt(8 * length)) - 1n);
      // Known bytes stand at the end of their word.
      if (last && known_(last[0])) {
        const size = last[2] + length;
        list[list.length - 1] = [(last[0] << BigInt(8 * length)) | cut, 32 - size, size];
      } else list.push([cut, 32 - length, length]);
    } else if (last && last[0] === word && last[1] + last[2] === first) last[2] += length;
    else list.push([word, first, length]);
  }
  if (list.length === 1 && list[0][1] === 0 && list[0][2] === 32) return list[0][0];
  if (list.length === 1 && known_(list[0][0])) return list[0][0];
  const n = node("joined", list.map((p) => p[0]), list.map((p) => `${p[1]}+${p[2]}`).join());
  n.parts = list;
  return n;
}

// Whether known bytes of a joined word are others than a number's.
function differs(n, number) {
  let after = 32;
  return n.parts.some(([word, first, length]) => {
    after -= length;
    const cut = (v, bytes) => (v >> BigInt(8 * bytes)) & ((1n << BigInt(8 * length)) - 1n);
    return known_(word) && cut(word, 32 - first - length) !== cut(number, after);
  });
}

// The same bytes moved, or some of them cleared.
function moved(op, a, n) {
  if (op === "and") {
    const parts = [];
    for (let i = 0; i < 32; i++) {
      const byte = (a >> BigInt(8 * (31 - i))) & 255n;
      if (byte !== 0n && byte !== 255n) return undefined;
      parts.push(byte ? [n, i, 1] : [0n, 0, 1]);
    }
    return joined(parts);
  }
  if (a % 8n || a >= 256n) return undefined;
  const k = Number(a / 8n);
  return op === "shr" ? joined([[0n, 0, k], [n, 0, 32 - k]]) : joined([[n, k, 32 - k], [0n, 0, k]]);
}

// Writing for the solver

const literal = (v) => `#x${v.toString(16).padStart(64, "0")}`;
const named = (name) => `|${name}|`;

export class Script {
  lines = [];
  done = new Map();
  functions = new Map();
  hashes = [];

  word(n) {
    if (known_(n)) return literal(n);
    const there = this.done.get(n);
    if (there) return there;
    let text;
    const w = (i) => this.word(n.args[i]);
    switch (n.op) {
      case "symbol":
        this.lines.push(`(declare-const ${named(n.extra)} (_ BitVec 256))`);
        if (n.bits < 256) this.lines.push(`(assert (bvult ${named(n.extra)} ${literal(1n << BigInt(n.bits))}))`);
        text = named(n.extra);
        break;
      case "unknown": {
        const args = n.args.map((a) => this.word(a));
        if (!this.functions.has(n.extra)) {
          this.functions.set(n.extra, args.length);
          this.lines.push(`(declare-fun ${n.extra} (${args.map(() => "(_ BitVec 256)").join(" ")}) (_ BitVec 256))`);
        }
        text = args.length ? `(${n.extra} ${args.join(" ")})` : n.extra;
        break;
      }
      case "joined": {
        let after = 32;
        const parts = n.parts.map(([word, first, length]) => {
          after -= length;
          const low = `(bvand (bvlshr ${this.word(word)} ${literal(BigInt(8 * (32 - first - length)))}) ${literal((1n << BigInt(8 * length)) - 1n)})`;
          return `(bvshl ${low} ${literal(BigInt(8 * after))})`;
        });
        text = parts.reduce((a, b) => `(bvor ${a} ${b})`);
        break;
      }
      case "choose":
        text = `(ite ${this.truth(n.args[0])} ${w(1)} ${w(2)})`;
        break;
      case "byte":
        text = `(bvand (bvlshr ${w(1)} (bvmul #x${"8".padStart(64, "0")} (bvsub #x${"1f".padStart(64, "0")} ${w(0)}))) ${literal(255n)})`;
        break;
      default: {
        const simple = {
          add: "bvadd", sub: "bvsub", mul: "bvmul", and: "bvand", or: "bvor", xor: "bvxor", not: "bvnot", div: "bvudiv", mod: "bvurem",
        }[n.op];
        if (simple) text = `(${simple} ${n.args.map((a) => this.word(a)).join(" ")})`;
        else if (n.op === "shl") text = `(bvshl ${w(1)} ${w(0)})`;
        else if (n.op === "shr") text = `(bvlshr ${w(1)} ${w(0)})`;
        else if (!truths.has(n.op)) throw new Error(`no ${n.op} for the solver`);
        else text = `(ite ${this.truth(n)} ${literal(1n)} ${literal(0n)})`;
      }
    }
    // By its place here, so that the same question is put in the same words.
    const name = `w${this.done.size}`;
    this.lines.push(`(define-fun ${name} () (_ BitVec 256) ${text})`);
    this.done.set(n, name);
    if (n.op === "unknown" && n.extra.startsWith("hash")) this.collisionFree(n);
    return name;
  }

  // Whether a word is not zero.
  truth(n) {
    if (known_(n)) return n ? "true" : "false";
    const two = (f) => `(${f} ${this.word(n.args[0])} ${this.word(n.args[1])})`;
    if (n.op === "lt") return two("bvult");
    if (n.op === "gt") return two("bvugt");
    if (n.op === "slt") return two("bvslt");
    if (n.op === "sgt") return two("bvsgt");
    if (n.op === "eq") return two("=");
    if (n.op === "iszero") return `(not ${this.truth(n.args[0])})`;
    if ((n.op === "and" || n.op === "or") && truth(n)) return `(${n.op} ${this.truth(n.args[0])} ${this.truth(n.args[1])})`;
    return `(distinct ${this.word(n)} ${literal(0n)})`;
  }

  // Two hashes are the same only of the same bytes.
  collisionFree(n) {
    for (const other of this.hashes) {
      const [a, b] = [this.word(other), this.word(n)];
      if (other.extra !== n.extra) this.assert(`(distinct ${a} ${b})`);
      else {
        const same = n.args.map((x, i) => `(= ${this.word(x)} ${this.word(other.args[i])})`);
        this.assert(`(=> (= ${a} ${b}) (and true ${same.join(" ")}))`);
      }
    }
    this.hashes.push(n);
  }

  assert(formula) {
    this.lines.push(`(assert ${formula})`);
  }

  toString() {
    return this.lines.join("\n");
  }
}

// For messages.
export function show(n, depth = 4) {
  if (known_(n)) return `0x${n.toString(16)}`;
  if (n.op === "symbol") return n.extra;
  return depth ? `${n.op === "unknown" ? n.extra : n.op}(${n.args.map((a) => show(a, depth - 1)).join(", ")})` : "…";
}
