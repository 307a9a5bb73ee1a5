/**
 * The smallest app of ImJoy: imjoy-core, windows in a page, answers that were given before, and a record.
 *
 * The test in Python calls `oracle`: `begin(case)`, `step(step)` for each of its steps, `end()`.
 */
import { described, made } from "./described.mjs";
import { addPython } from "./python_engine.mjs";

const WORKSPACE = "default";
/** Milliseconds after which a step is given up: imjoy-core waits for ever for what has failed. */
const PATIENCE = 3000;

let events = [];
let pending = [];
let answers = {};

const look = (value) => described(value, pending);
const failure = (error) =>
  String(error?.message ?? error).replace(/^(Error: |Uncaught )+/, "") || "Error";

/** Notes an event now, and what becomes of it when that is known. */
async function noted(event, work) {
  events.push(event);
  try {
    const given = await work();
    event.gives = look(given);
    return given;
  } catch (error) {
    event.fails = failure(error);
    throw error;
  }
}

function answer(name, otherwise) {
  const list = answers[name] ?? [];
  return list.length > 0 ? made(list.shift()) : otherwise;
}

/** What an app gives to imjoy-core: each is called with the plugin that asks. */
const given = {
  alert: () => undefined,
  confirm: () => answer("confirm", false),
  prompt: () => answer("prompt", null),
  showMessage: () => undefined,
  showStatus: () => undefined,
  showProgress: () => undefined,
  showSnackbar: () => undefined,
  exportFile: () => undefined,
  showFileDialog(plugin) {
    const chosen = answer("showFileDialog", null);
    if (chosen === null) throw new Error("No file was chosen.");
    // So does ImJoy's own app, for plugins that are made for an older api.
    const [, , version] = plugin.config.api_version.split(".").map(Number);
    if (version <= 3) return chosen[0].path;
    return version < 8 && chosen.length === 1 ? chosen[0] : chosen;
  },
  showDialog(plugin, config, more = {}) {
    if (config.ui && !config.src) {
      events.push({ form: fieldsOf(config.ui) });
      const values = answer("showDialog", null);
      if (values === null) throw new Error("The dialog was cancelled.");
      return values;
    }
    return core.pm.createWindow(plugin, config, { ...more, dialog: true });
  },
  utils: { openUrl: () => undefined },
};

/** A form as ImJoy reads it: its fields with what they hold before anybody fills them in. */
function fieldsOf(ui) {
  const container = document.createElement("div");
  const { Joy } = imjoyCore;
  const joy = new Joy({
    container,
    init: Joy.normalizeUI(ui),
    data: {},
    modules: ["instructions", "math"],
  });
  const { _references, ...fields } = joy.data;
  const held = ({ value, chain }) => (chain ? chain[0].value : value);
  return Object.fromEntries(Object.entries(fields).map(([id, one]) => [id, held(one)]));
}

const imjoyCore = window.imjoyCore;
const core = new imjoyCore.ImJoy({ imjoy_api: given });

/** Every call of a plugin is noted, whoever answers it. */
function recorded(api, path = "") {
  for (const [name, one] of Object.entries(api)) {
    if (typeof one === "object") recorded(one, `${name}.`);
    if (typeof one !== "function") continue;
    api[name] = (plugin, ...args) => {
      if (!plugin || plugin.id === "imjoy-root") return one(plugin, ...args);
      const event = { plugin: plugin.name, call: path + name, args: look(args) };
      return noted(event, () => one(plugin, ...args));
    };
  }
}

function show(w) {
  const place = document.createElement("section");
  place.id = w.window_id;
  document.getElementById("windows").append(place);
  if (String(w.window_type).startsWith("imjoy/")) w.api.emit("ready");
}

core.event_bus.on("add_window", show);
core.event_bus.on("close_window", (w) => document.getElementById(w.window_id)?.remove());
const addWindow = core.wm.addWindow.bind(core.wm);
core.wm.addWindow = (w) => {
  const { name, window_type: type, w: width, h, dialog, fullscreen, standalone } = w;
  const isOwn = String(type).startsWith("imjoy/");
  const opens = { name, type: w.plugin?.name ?? type, w: width, h };
  for (const [key, is] of Object.entries({ dialog, fullscreen, standalone })) opens[key] = !!is;
  if (isOwn) opens.data = look(w.data);
  events.push({ opens });
  return addWindow(w);
};

const steps = {
  async load(code, tag) {
    const plugin = await core.pm.reloadPlugin({ code, load_dependencies: true, tag });
    return plugin?.api;
  },
  async call(plugin, name, ...args) {
    const found = core.pm.plugin_names[plugin].api[name];
    if (!found) throw new Error(`It exports no ${name}.`);
    return await found(...args);
  },
  /** What a click in the menu does. */
  async click(name, config, data) {
    const { ops } = core.pm.plugin_names[name];
    await ops[name].onexecute({ op: { name }, data: config, target: data ?? {} });
  },
  get: (query) => core.pm.getPlugin(null, query),
  services: (query) => core.pm.getServices(null, query),
  stop(name) {
    core.pm.unloadPlugin(core.pm.plugin_names[name], true);
  },
  wait: (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000)),
  close: async (name) => {
    await core.wm.windows.find((w) => w.name === name).close();
  },
};

function soon(work) {
  const late = new Promise((_, reject) => {
    setTimeout(() => reject(new Error("Nothing came.")), PATIENCE);
  });
  return Promise.race([work, late]);
}

window.oracle = {
  begin(itsAnswers) {
    [events, pending, answers] = [[], [], structuredClone(itsAnswers)];
  },
  /** Does it; what becomes of it is in the record. */
  async step(label, name, ...args) {
    const event = { step: label };
    const isQuiet = name === "wait" || name === "stop";
    if (isQuiet) await steps[name](...args);
    else await noted(event, () => soon(steps[name](...made(args)))).catch(() => undefined);
  },
  note: (event) => void events.push(event),
  /** The windows that are open; the element of each holds its frame. */
  windows: () => core.wm.windows.map(({ name, window_id }) => ({ name, place: window_id })),
  async end() {
    await Promise.all(pending);
    const record = events;
    for (const plugin of Object.values(core.pm.plugins)) {
      core.pm._unregister(plugin);
      if (!plugin._is_proxy) plugin._forceDisconnect();
    }
    for (const w of [...core.wm.windows]) {
      w.plugin?._forceDisconnect?.();
      core.wm.closeWindow(w);
    }
    [core.pm.plugins, core.pm.plugin_names] = [{}, {}];
    localStorage.clear();
    return record;
  },
};

recorded(core.pm.imjoy_api);
await core.start({ workspace: WORKSPACE });
window.oracle.addPython = (port) => addPython(core, window.imjoyRPC, port);
window.oracle.isReady = true;
