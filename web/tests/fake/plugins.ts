/** Plugins as a host would list them: plain ones, one with everything, one that is broken. */
import type {
  FormProperty,
  Permission,
  Plugin,
  PluginInput,
  PluginOperation,
} from "../../src/ui/host/host_service.ts";

export function input(name: string, kind = "image", more: Partial<PluginInput> = {}): PluginInput {
  const title = name.charAt(0).toUpperCase() + name.slice(1);
  return { name, kind, title, description: "", axes: null, lazy: false, optional: false, ...more };
}

export function operation(
  name: string,
  properties: Readonly<Record<string, FormProperty>> = {},
  more: Partial<PluginOperation> = {},
): PluginOperation {
  const title = name.charAt(0).toUpperCase() + name.slice(1).replaceAll("_", " ");
  const required = Object.keys(properties).filter((key) => properties[key]?.default === undefined);
  return {
    name,
    title,
    description: "",
    inputs: [input("image")],
    outputs: [{ kind: "labels", title, description: "", axes: null }],
    form: { title, properties, required },
    refused: "",
    ...more,
  };
}

export function asked(
  name: string,
  reason = "",
  state: Permission["state"] = "unasked",
  folders: readonly string[] = [],
): Permission {
  return { name, reason, state, folders };
}

export function plugin(id: string, more: Partial<Plugin> = {}): Plugin {
  return {
    id,
    kind: "native-python",
    name: id.replace(/\.py$/, ""),
    version: "1.0",
    description: "",
    source: `plugins/${id}`,
    error: null,
    permissions: [],
    asks: [],
    terms: "1",
    may_allow: true,
    operations: [],
    ...more,
  };
}

export const NUCLEI = plugin("nuclei.py", {
  name: "Nuclei",
  description:
    "Finds nuclei in fluorescence images: Otsu's threshold, touching nuclei split by a watershed.",
  operations: [
    operation(
      "nuclei",
      {
        sigma: {
          type: "number",
          title: "Sigma",
          description: "how much the shape of a nucleus is smoothed; less splits more of them.",
          default: 2,
          minimum: 0,
          maximum: 20,
          step: 0.5,
          unit: "px",
        },
        min_size: {
          type: "integer",
          title: "Min size",
          description: "what is smaller is no nucleus.",
          default: 30,
          minimum: 0,
          unit: "px",
        },
      },
      {
        description: "Find bright nuclei on a dark background.",
        inputs: [
          input("image", "image", { description: "a fluorescence image of a nuclear stain." }),
        ],
      },
    ),
  ],
});

export const EVERYTHING = plugin("everything.py", {
  name: "Everything that a form can have, and a name that is too long",
  version: "12.0.1.dev4+g1234567",
  permissions: [
    asked("network", "to fetch the weights of the model when it is first used"),
    asked("files", "to read images that are references"),
    asked("gpu"),
    asked("processes", "to convert films", "always"),
  ],
  asks: ["network", "files", "gpu"],
  operations: [
    operation(
      "segment",
      {
        threshold: { type: "number", title: "Threshold", default: 0.05, description: "of cells." },
        probability: {
          type: "number",
          title: "Probability",
          default: 0.5,
          exclusiveMinimum: 0,
          exclusiveMaximum: 1,
        },
        diameter: {
          type: ["number", "null"],
          title: "Diameter of a cell that is somewhere in the middle",
          default: null,
          minimum: 0,
          unit: "micrometre",
        },
        tile: {
          type: "integer",
          title: "Tile",
          default: 512,
          minimum: 64,
          maximum: 2048,
          multipleOf: 64,
          unit: "px",
        },
        model: {
          type: "string",
          title: "Model",
          default: "cyto3",
          enum: ["cyto3", "nuclei", "a model with a name that somebody made very long indeed"],
          description: "what it was trained on.",
        },
        edge: { type: "string", title: "Edge", enum: ["mirror", "nearest"] },
        weights: { type: "string", title: "Weights", format: "path", description: "a file." },
        note: { type: "string", title: "Note", default: "" },
        invert: {
          type: "boolean",
          title: "Invert",
          default: false,
          description: "dark cells on a bright background.",
        },
        refine: { type: ["boolean", "null"], title: "Refine", default: null },
        rounds: { type: "integer", title: "Rounds" },
      },
      {
        description:
          "Segment cells with a model that was trained on many images, some of them like yours.",
        inputs: [
          input("image", "image", { axes: "yx", description: "cytoplasm, bright." }),
          input("nuclei", "labels", { optional: true }),
          input("mask", "labels"),
        ],
      },
    ),
    operation("spots", {}, { inputs: [input("spots", "points")], description: "Needs points." }),
    operation("volume", {}, { inputs: [input("image", "image", { axes: "zyx" })] }),
  ],
});

export const BROKEN = plugin("broken.py", {
  version: "0",
  error:
    "broken.py, line 12: the parameter “image” has no type. Write image: Image, or give it a default.",
});

export const GAUSSIAN = plugin("gaussian.py", {
  name: "Gaussian",
  kept: true,
  verified: true,
  description: "Smooths images; a small plugin that shows every kind of parameter.",
  operations: [
    operation("smooth", {}, { description: "Smooth an image with a Gaussian." }),
    operation(
      "smooth_in_world",
      {},
      {
        description:
          "Smooth an image over a width in world units, such as micrometres, along every axis.",
      },
    ),
  ],
});

export const COUNT = plugin("count.py", {
  name: "Count",
  operations: [operation("count", {}, { description: "Count the objects of a label image." })],
});

export const VIZ = plugin("viz.imjoy.html", {
  kind: "window",
  name: "Cell plots",
  version: "0.3.1",
  description: "Plots of what was measured, in a window of its own.",
  source: "~/.local/share/opsin/workspaces/default/plugins/viz.imjoy.html",
  origin: "somebody/plots-of-cells-and-nuclei:Cell plots",
  kept: true,
  labels: ["plots"],
  permissions: [asked("network", "to fetch what it draws with", "refused")],
  asks: ["network"],
  operations: [
    operation(
      "run",
      {
        sigma: { type: "number", title: "Sigma", default: 2, minimum: 0, maximum: 10 },
        kind: {
          type: "string",
          title: "Kind",
          default: "histogram",
          enum: ["histogram", "violin"],
        },
      },
      { title: "Cell plots", description: "Plot what was measured.", inputs: [], outputs: [] },
    ),
  ],
});

export const PLUGINS: readonly Plugin[] = [NUCLEI, VIZ, GAUSSIAN, EVERYTHING, COUNT, BROKEN];
