/** Which key does what: one table that the keyboard handler and the help page both read. */

export type CommandName =
  | "fit"
  | "zoomIn"
  | "zoomOut"
  | "previousSlice"
  | "nextSlice"
  | "play"
  | "toggleVolume"
  | "toggleQuad"
  | "nextMode"
  | "turn"
  | "toggleLayer"
  | "onlyLabel"
  | "hideLabel"
  | "undo"
  | "redo"
  | "togglePanel"
  | "togglePlugins"
  | "palette"
  | "runWith"
  | "toggleNumbers"
  | "toggleBricks"
  | "freeze"
  | "fullScreen"
  | "saveScreenshot"
  | "copyLink"
  | "help"
  | "close";

export type Binding = {
  readonly command: CommandName;
  /** `KeyboardEvent.key`; letters in lower case. */
  readonly keys: readonly string[];
  /** With Ctrl, or ⌘ on a Mac. */
  readonly control?: boolean;
  readonly shift?: boolean;
  /** How the help page writes it. */
  readonly written: readonly string[];
  readonly description: string;
};

export const BINDINGS: readonly Binding[] = [
  { command: "fit", keys: ["Home", "0"], written: ["Home", "0"], description: "Show everything" },
  { command: "zoomIn", keys: ["+", "="], written: ["+"], description: "Zoom in" },
  { command: "zoomOut", keys: ["-", "_"], written: ["−"], description: "Zoom out" },
  {
    command: "previousSlice",
    keys: [",", "PageUp"],
    written: [",", "Page Up"],
    description: "Previous slice",
  },
  {
    command: "nextSlice",
    keys: [".", "PageDown"],
    written: [".", "Page Down"],
    description: "Next slice",
  },
  { command: "play", keys: [" "], written: ["Space"], description: "Play or stop the slices" },
  { command: "toggleVolume", keys: ["3"], written: ["3"], description: "3D, or back to a slice" },
  {
    command: "toggleQuad",
    keys: ["4"],
    written: ["4"],
    description: "Four views: three slices and the volume; or one",
  },
  { command: "nextMode", keys: ["m"], written: ["M"], description: "Next projection (in 3D)" },
  { command: "turn", keys: ["o"], written: ["O"], description: "A slice along other axes" },
  {
    command: "toggleLayer",
    keys: ["v"],
    written: ["V"],
    description: "Show or hide the selected layer",
  },
  {
    command: "onlyLabel",
    keys: ["q"],
    written: ["Q"],
    description: "Show the label under the pointer alone; or all",
  },
  {
    command: "hideLabel",
    keys: ["e"],
    written: ["E"],
    description: "Hide the label under the pointer",
  },
  { command: "undo", keys: ["z"], control: true, written: ["Ctrl+Z"], description: "Undo" },
  {
    command: "redo",
    keys: ["z"],
    control: true,
    shift: true,
    written: ["Ctrl+Shift+Z"],
    description: "Redo",
  },
  {
    command: "toggleNumbers",
    keys: ["h"],
    written: ["H"],
    description: "Show or hide the loader's numbers",
  },
  { command: "toggleBricks", keys: ["b"], written: ["B"], description: "Show or hide bricks" },
  {
    command: "freeze",
    keys: ["x"],
    written: ["X"],
    description: "Load nothing more, to look at what is there; or go on",
  },
  {
    command: "togglePanel",
    keys: ["p"],
    written: ["P"],
    description: "Show or hide the layer panel",
  },
  {
    command: "togglePlugins",
    keys: ["r"],
    written: ["R"],
    description: "Show or hide the plugins, to run one",
  },
  {
    command: "runWith",
    keys: ["r"],
    shift: true,
    written: ["Shift+R"],
    description: "Run something with the selected layer",
  },
  {
    command: "palette",
    keys: ["k"],
    control: true,
    written: ["Ctrl+K"],
    description: "Find a command, an operation or a plugin",
  },
  { command: "fullScreen", keys: ["f"], written: ["F"], description: "Full screen" },
  {
    command: "saveScreenshot",
    keys: ["s"],
    written: ["S"],
    description: "Save the canvas as a PNG",
  },
  { command: "copyLink", keys: ["l"], written: ["L"], description: "Copy a link to this view" },
  { command: "help", keys: ["?"], written: ["?"], description: "This help" },
  { command: "close", keys: ["Escape"], written: ["Esc"], description: "Close what is open" },
];

/** What the help page adds: what the mouse does, and keys that only controls with the focus take. */
export const GESTURES: readonly { readonly written: readonly string[]; description: string }[] = [
  { written: ["Drag"], description: "Move the image; in 3D, walk around it" },
  { written: ["Shift", "Drag"], description: "In 3D, move the image; so does the right button" },
  { written: ["Wheel"], description: "Zoom at the pointer" },
  { written: ["Shift", "Wheel"], description: "Move along" },
  { written: ["Double click"], description: "Zoom in at the pointer" },
  { written: ["←", "→", "↑", "↓"], description: "Move (in 3D, walk around), or step a slider" },
  { written: ["↑", "↓"], description: "Select a layer (in the list)" },
  { written: ["Alt", "Click"], description: "On an eye: show this layer only" },
  { written: ["Del"], description: "Remove the selected layer (in the list)" },
  { written: ["Alt", "←", "→", "↑", "↓"], description: "On a window's tab: move it to that side" },
  { written: ["Ctrl+Enter"], description: "Run the plugin (in its form)" },
];

export type KeyPress = {
  readonly key: string;
  readonly ctrlKey: boolean;
  readonly metaKey: boolean;
  readonly altKey: boolean;
  readonly shiftKey: boolean;
};

export function commandFor(press: KeyPress): CommandName | null {
  if (press.altKey) return null;
  const control = press.ctrlKey || press.metaKey;
  const letter = /^[a-z]$/i.test(press.key);
  const key = letter ? press.key.toLowerCase() : press.key;
  const binding = BINDINGS.find(
    (candidate) =>
      candidate.keys.includes(key) &&
      (candidate.control ?? false) === control &&
      // Shift makes another character of most keys ("?" needs it), so it only counts for letters.
      (!letter || (candidate.shift ?? false) === press.shiftKey),
  );
  return binding?.command ?? null;
}

/** Controls that use a key themselves keep it. */
export type Focus = "text" | "slider" | "button" | "other";

const SLIDER_KEYS = new Set(["Home", "End", "PageUp", "PageDown", "+", "-", "="]);

export function keepsKey(focus: Focus, press: KeyPress): boolean {
  if (press.key === "Escape") return false;
  // No text is edited by it, and one looks for commands from everywhere.
  if (press.key.toLowerCase() === "k" && (press.ctrlKey || press.metaKey)) return false;
  if (focus === "text") return true;
  if (focus === "slider") return SLIDER_KEYS.has(press.key);
  return focus === "button" && press.key === " ";
}
