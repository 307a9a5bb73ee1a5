/** How the app is built: to static files that the Python server serves at `/`, and nothing else. */
import { build, type Plugin } from "vite";
import { defineConfig } from "vitest/config";

/** What runs in frames of plugins: a file each, without imports, since they are run as plain scripts. */
const PLUGIN_SCRIPTS = {
  plugin_frame: "src/workers/runtime/frame_page.ts",
  plugin_worker: "src/workers/runtime/worker_scope.ts",
  plugin_loader: "src/workers/runtime/loader_page.ts",
  plugin_outside: "src/workers/runtime/outside_page.ts",
};

const FOR_OTHERS: Readonly<Record<string, string>> = {
  embed: "opsin_view.js",
  host: "opsin_host.js",
};

const pluginScripts: Plugin = {
  name: "plugin-scripts",
  apply: "build",
  closeBundle: async () => {
    for (const [name, entry] of Object.entries(PLUGIN_SCRIPTS)) {
      await build({
        configFile: false,
        logLevel: "warn",
        build: {
          outDir: "../src/opsin/server/static",
          emptyOutDir: false,
          target: "es2023",
          lib: { entry, name: "opsinPlugin", formats: ["iife"], fileName: () => `${name}.js` },
        },
      });
    }
  },
};

export default defineConfig({
  base: "./",
  plugins: [pluginScripts],
  build: {
    outDir: "../src/opsin/server/static",
    emptyOutDir: true,
    target: "es2023",
    // The app is served from the same computer: no inlined data URLs, which a strict CSP refuses.
    assetsInlineLimit: 0,
    // The editor of plugins is larger than that, and is loaded by who opens it.
    chunkSizeWarningLimit: 800,
    modulePreload: { polyfill: false },
    rollupOptions: {
      // The app, and what other pages take from the server by these names: an element, and a host of plugins.
      input: { app: "index.html", embed: "src/embed.ts", host: "src/embed_host.ts" },
      preserveEntrySignatures: "exports-only",
      output: {
        entryFileNames: ({ name }) => FOR_OTHERS[name] ?? "assets/[name]-[hash].js",
      },
    },
  },
  // Plugins are started from the templates of the host.
  server: { fs: { allow: [".."] } },
  worker: { format: "es" },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  test: {
    include: ["src/**/*.test.{ts,tsx}", "tests/**/*.test.{ts,tsx}"],
    passWithNoTests: true,
  },
});
