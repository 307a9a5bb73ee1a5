/** Bundles the module that starts frames, for tests in a browser: `node bundle.mjs FOLDER` writes `frames.js`. */
import { fileURLToPath } from "node:url";
import { build } from "vite";

const [folder] = process.argv.slice(2);
await build({
  configFile: false,
  logLevel: "warn",
  build: {
    outDir: folder,
    emptyOutDir: false,
    target: "es2023",
    lib: {
      entry: fileURLToPath(new URL("../../src/workers/frame.ts", import.meta.url)),
      formats: ["es"],
      fileName: () => "frames.js",
    },
  },
});
