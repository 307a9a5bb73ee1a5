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
    rollupOptions: {
      // The app, and the element that other pages take from the server by this name.
      input: { app: "index.html", embed: "src/embed.ts" },
      output: {
        entryFileNames: ({ name }) =>
          name === "embed" ? "opsin_view.js" : "assets/[name]-[hash].js",
      },
    },
  },
  worker: { format: "es" },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  test: {
    include: ["src/**/*.test.{ts,tsx}", "tests/**/*.test.{ts,tsx}"],
    passWithNoTests: true,
  },
});
