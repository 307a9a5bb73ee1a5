/**
 * Which folder of `src/` may import which. The viewer is a package without a framework that others can
 * embed, so it knows nothing of the app around it.
 */
export default {
  forbidden: [
    {
      name: "no-cycles",
      comment: "Imports point one way.",
      severity: "error",
      from: {},
      to: { circular: true },
    },
    {
      name: "viewer-knows-no-ui",
      comment: "viewer/ imports only itself.",
      severity: "error",
      from: { path: "^src/viewer/" },
      to: { pathNot: "^src/viewer/" },
    },
    {
      name: "rpc-stands-alone",
      comment: "rpc/ imports only itself: window and worker plugins use it too.",
      severity: "error",
      from: { path: "^src/rpc/" },
      to: { pathNot: "^src/rpc/" },
    },
    {
      name: "imjoy-stands-alone",
      comment: "imjoy/ imports only itself: it runs in frames too, which need be small.",
      severity: "error",
      from: { path: "^src/imjoy/" },
      to: { pathNot: "^src/imjoy/" },
    },
    {
      name: "workers-know-no-ui",
      comment: "workers/ starts frames for whoever asks; what runs in them knows imjoy/ only.",
      severity: "error",
      from: { path: "^src/workers/" },
      to: { path: "^src/", pathNot: "^src/(workers|imjoy|rpc)/" },
    },
    {
      name: "ui-knows-only-viewer",
      comment: "ui/ may import itself, viewer/ and packages; main.tsx does the wiring.",
      severity: "error",
      from: { path: "^src/ui/", pathNot: "^src/ui/(host|plugins)/" },
      to: { path: "^src/", pathNot: "^src/(ui|viewer)/" },
    },
    {
      name: "ui-host-speaks-rpc",
      comment: "ui/host/ is called over rpc/; main.tsx makes the link.",
      severity: "error",
      from: { path: "^src/ui/host/" },
      to: { path: "^src/", pathNot: "^src/(ui|viewer|rpc)/" },
    },
    {
      name: "plugins-run-in-the-page",
      comment: "ui/plugins/ shows what plugins do; imjoy/ and workers/ run them.",
      severity: "error",
      from: { path: "^src/ui/plugins/" },
      to: { path: "^src/", pathNot: "^src/(ui|viewer|rpc|imjoy|workers)/" },
    },
    {
      name: "plugins-are-loaded-later",
      comment: "Windows and dialogs of plugins come when there are some.",
      severity: "error",
      from: { path: "^src/(ui|main)", pathNot: "^src/ui/plugins/" },
      to: { path: "^src/ui/plugins/", dependencyTypesNot: ["type-only", "dynamic-import"] },
    },
    {
      name: "host-is-loaded-later",
      comment: "The canvas waits for no plugin: the app knows of ui/host/ by its types only.",
      severity: "error",
      from: { path: "^src/(ui|main)", pathNot: "^src/ui/(host|plugins)/" },
      to: {
        path: "^src/(ui/host|rpc)/",
        dependencyTypesNot: ["type-only", "dynamic-import"],
      },
    },
    {
      name: "only-declared-packages",
      comment: "Every package stands in package.json.",
      severity: "error",
      from: {},
      to: { dependencyTypes: ["npm-no-pkg", "npm-unknown", "unknown", "undetermined"] },
    },
    {
      name: "no-orphans",
      comment: "A module that nothing imports is dead; workers are named by URL, not imported.",
      severity: "error",
      from: {
        orphan: true,
        pathNot: "(^src/main\\.tsx|^src/workers/runtime/.*|worker\\.ts|\\.d\\.ts|\\.css)$",
      },
      to: {},
    },
    {
      name: "resolvable",
      comment: "Every import resolves.",
      severity: "error",
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: "\\.test\\.tsx?$" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "types", "default"],
      extensions: [".ts", ".tsx", ".js", ".css", ".json"],
    },
  },
};
