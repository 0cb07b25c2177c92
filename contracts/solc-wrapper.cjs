#!/usr/bin/env node
// The pinned solc-js behind the face of the native compiler that forge expects: --version and --standard-json. Forge asks
// the same again and again, and loading this compiler takes seconds: answers are kept in build/solc.
const { createHash } = require("crypto");
const fs = require("fs");
const path = require("path");

const folder = path.join(__dirname, "build", "solc");
const pinned = require("./node_modules/solc/package.json").version;

function kept(question, ask) {
  const file = path.join(folder, createHash("sha256").update(pinned).update(question).digest("hex"));
  if (fs.existsSync(file)) return fs.readFileSync(file, "utf8");
  const answer = ask(require("./node_modules/solc"));
  fs.mkdirSync(folder, { recursive: true });
  const old = fs.readdirSync(folder).map((name) => path.join(folder, name));
  if (old.length > 100) old.forEach((name) => fs.rmSync(name, { force: true }));
  fs.writeFileSync(`${file}.${process.pid}`, answer);
  fs.renameSync(`${file}.${process.pid}`, file);
  return answer;
}

if (process.argv.includes("--version")) {
  const version = kept("version", (solc) => /^\d+\.\d+\.\d+\+commit\.[0-9a-f]+/.exec(solc.version())[0]);
  console.log(`solc, the solidity compiler commandline interface\nVersion: ${version}.Linux.g++`);
} else {
  const question = fs.readFileSync(0, "utf8");
  process.stdout.write(kept(question, (solc) => solc.compile(question)));
}
