/** Python in a worker, by Pyodide: what is installed, and the plugin's scripts. */
import type { PluginApi } from "../../imjoy/plugin_side.ts";
import { isPlain, messageOf, type Plain, V1Error } from "../../imjoy/values.ts";
import type { Order } from "./orders.ts";
import bridge from "./python_bridge.py?raw";
import { withoutBlobs } from "./python_values.ts";

type Say = (level: string, text: string) => void;

/** What of Pyodide is used. */
type Pyodide = {
  readonly version: string;
  readonly loadedPackages: Plain;
  readonly lockfile?: {
    readonly packages?: Readonly<Record<string, { readonly file_name: string }>>;
  };
  readonly FS: { writeFile(path: string, text: string): void };
  loadPackage(names: readonly string[], options: Plain): Promise<unknown>;
  loadPackagesFromImports(code: string, options: Plain): Promise<unknown>;
  unpackArchive(bytes: ArrayBuffer, format: string, options?: Plain): void;
  runPythonAsync(code: string, options?: Plain): Promise<unknown>;
  pyimport(name: string): { install(api: PluginApi, unblob: unknown): void };
  runPython(code: string): unknown;
};
type Loader = { loadPyodide(options: Plain): Promise<Pyodide> };

export type PythonNeeds = {
  /** Where Pyodide lies; ends with a slash. */
  readonly index: string;
  readonly packages: readonly string[];
  /** Archives of what is not Pyodide's own: wheels, or others that are unpacked in place. */
  readonly wheels: readonly string[];
};

/** What was asked for, with whole addresses. */
export function needsIn(python: unknown, base: string): PythonNeeds {
  const given = isPlain(python) ? python : {};
  const list = (value: unknown) => (Array.isArray(value) ? value : []).map(String);
  return {
    index: new URL(String(given["index"] ?? "pyodide/"), base).href,
    packages: list(given["packages"]),
    wheels: list(given["wheels"]).map((address) => new URL(address, base).href),
  };
}

export class Python {
  readonly #needs: PythonNeeds;
  readonly #say: Say;
  #pyodide: Promise<Pyodide> | null = null;

  constructor(needs: PythonNeeds, say: Say) {
    this.#needs = needs;
    this.#say = say;
  }

  /** Runs a script of a plugin. Throws an Error with Python's own words. */
  async run({ type, content, lang, src }: Order, api: PluginApi): Promise<void> {
    if (type === "requirements") return;
    if (type !== "script" || !["", "python"].includes(lang)) {
      throw new V1Error(`A worker of Python runs no ${lang || type}.`);
    }
    this.#pyodide ??= this.#start(api);
    const pyodide = await this.#pyodide;
    const code = src ? await textAt(src) : content;
    // What a script imports of Pyodide's own need not be required, if it is there.
    await pyodide.loadPackagesFromImports(code, quiet()).catch(() => undefined);
    await pyodide.runPythonAsync(code, { filename: "plugin.py" });
  }

  async #start(api: PluginApi): Promise<Pyodide> {
    const { index, packages, wheels } = this.#needs;
    let loader: Loader;
    try {
      loader = (await import(/* @vite-ignore */ `${index}pyodide.mjs`)) as Loader;
    } catch (error) {
      throw new V1Error(
        `Pyodide, which runs Python in the page, is not at ${index}: ${messageOf(error)}`,
        { cause: error },
      );
    }
    const pyodide = await loader.loadPyodide({
      indexURL: index,
      packageBaseUrl: index,
      stdout: (text: string) => this.#say("log", text),
      stderr: (text: string) => this.#say("error", text),
    });
    for (const wheel of wheels) await unpack(pyodide, wheel);
    for (const name of packages) await install(pyodide, name);
    pyodide.FS.writeFile("/lib/opsin_bridge.py", bridge);
    pyodide.runPython("import sys; sys.path.insert(0, '/lib')");
    pyodide.pyimport("opsin_bridge").install(api, withoutBlobs);
    return pyodide;
  }
}

/** Throws a V1Error that says what is missing. */
async function install(pyodide: Pyodide, requirement: string): Promise<void> {
  const [, written = ""] = /^([\w.-]+)/.exec(requirement.trim()) ?? [];
  const name = written.toLowerCase().replace(/[-_.]+/g, "-");
  if (isThere(pyodide, name)) return;
  const file = pyodide.lockfile?.packages?.[name]?.file_name;
  const failures: string[] = [];
  await pyodide
    .loadPackage([name], { ...quiet(), errorCallback: (text: string) => failures.push(text) })
    .catch((error: unknown) => failures.push(messageOf(error)));
  if (pyodide.loadedPackages[name]) return;
  const which = file ? `the file ${file} of Pyodide ${pyodide.version}` : "a wheel of pure Python";
  throw new V1Error(
    `${written} cannot be had in the page: ${which} is not on this computer and could not be fetched. ` +
      `Run the plugin as native-python, or open it once with the network. ${failures[0] ?? ""}`.trim(),
  );
}

function isThere(pyodide: Pyodide, name: string): boolean {
  const code = `import importlib.metadata as m
any(d.name and d.name.lower().replace("_", "-").replace(".", "-") == ${JSON.stringify(name)} for d in m.distributions())`;
  return pyodide.runPython(code) === true;
}

async function unpack(pyodide: Pyodide, address: string): Promise<void> {
  const answer = await fetch(address);
  if (!answer.ok) throw new V1Error(`The package at ${address} cannot be had.`);
  pyodide.unpackArchive(await answer.arrayBuffer(), /\.whl$/.test(address) ? "whl" : "zip", {
    extractDir: sitePackages(pyodide),
  });
}

function sitePackages(pyodide: Pyodide): string {
  return String(pyodide.runPython("import site; site.getsitepackages()[0]"));
}

async function textAt(address: string): Promise<string> {
  const answer = await fetch(address);
  if (!answer.ok) throw new V1Error(`${address} cannot be loaded.`);
  return await answer.text();
}

function quiet(): Plain {
  return { messageCallback: () => undefined, errorCallback: () => undefined };
}
