/** How the app is built: to static files that the Python server serves at `/`, and nothing else. */
import { defineConfig } from "vitest/config";

export default defineConfig({
  base: "./",
  build: {
    outDir: "../src/opsin/server/static",
    emptyOutDir: true,
    target: "es2023",
    // The app is served from the same computer: no inlined data URLs, which a strict CSP refuses.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  worker: { format: "es" },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  test: {
    include: ["src/**/*.test.{ts,tsx}", "tests/**/*.test.{ts,tsx}"],
    passWithNoTests: true,
  },
});
