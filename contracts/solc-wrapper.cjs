#!/usr/bin/env node
// The pinned solc-js behind the face of the native compiler that forge expects: --version and --standard-json.
const solc = require("./node_modules/solc");
if (process.argv.includes("--version")) {
  const [, version, commit] = /^(\d+\.\d+\.\d+)\+(commit\.[0-9a-f]+)/.exec(solc.version());
  console.log(`solc, the solidity compiler commandline interface\nVersion: ${version}+${commit}.Linux.g++`);
} else {
  const input = require("fs").readFileSync(0, "utf8");
  process.stdout.write(solc.compile(input));
}
