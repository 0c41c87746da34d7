import { fileURLToPath } from "node:url";

import { defineConfig } from "hardhat/config";

// The settings are those of scripts/compile_contracts.py; tests/ledger/test_bytecode.py compares the bytecode.
export default defineConfig({
  paths: {
    sources: "./contracts",
    artifacts: "./build/hardhat/artifacts",
    cache: "./build/hardhat/cache",
  },
  solidity: {
    compilers: [
      {
        version: "0.8.37",
        // the compiler of node_modules, so that nothing is downloaded
        path: fileURLToPath(import.meta.resolve("solc/soljson.js")),
        settings: {
          evmVersion: "prague",
          optimizer: { enabled: true, runs: 200 },
          viaIR: true,
          metadata: { bytecodeHash: "none", appendCBOR: false },
        },
      },
    ],
  },
});
