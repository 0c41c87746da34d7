#!/usr/bin/env node
// solc-js behind the command line of a native solc: `--version`, and `--standard-json` from stdin to stdout.
// For the tools that want an executable (py-solc-x, forge). Imports that the input does not carry are read from the
// repository and from node_modules; nothing else is readable, nothing is downloaded.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const solc = createRequire(import.meta.url)("solc");

function readImport(path) {
  const file = path.startsWith("@") ? resolve(root, "node_modules", path) : resolve(root, path);
  if (!file.startsWith(root + sep)) {
    return { error: `${path} is outside the repository` };
  }
  try {
    return { contents: readFileSync(file, "utf8") };
  } catch (error) {
    return { error: error.message };
  }
}

if (process.argv.includes("--version")) {
  console.log(`solc, the solidity compiler commandline interface\nVersion: ${solc.version()}`);
} else if (process.argv.includes("--standard-json")) {
  process.stdout.write(solc.compile(readFileSync(0, "utf8"), { import: readImport }));
} else {
  console.error("scripts/solc.js: only --version and --standard-json are offered");
  process.exitCode = 2;
}
