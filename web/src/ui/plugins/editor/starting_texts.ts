/** What one starts a plugin from: the templates of `opsin plugins new`. */
import filter from "../../../../../src/opsin/plugins/templates/filter.py?raw";
import labels from "../../../../../src/opsin/plugins/templates/labels.py?raw";
import nativePython from "../../../../../src/opsin/plugins/templates/native-python.imjoy.html?raw";
import table from "../../../../../src/opsin/plugins/templates/table.py?raw";
import webPython from "../../../../../src/opsin/plugins/templates/web-python.imjoy.html?raw";
import webWorker from "../../../../../src/opsin/plugins/templates/web-worker.imjoy.html?raw";
import windowText from "../../../../../src/opsin/plugins/templates/window.imjoy.html?raw";

export type StartingText = {
  readonly title: string;
  readonly suffix: ".py" | ".imjoy.html";
  readonly text: string;
};

export const STARTING_TEXTS: readonly StartingText[] = [
  { title: "Python: an image of an image", suffix: ".py", text: filter },
  { title: "Python: labels of an image", suffix: ".py", text: labels },
  { title: "Python: a table of an image", suffix: ".py", text: table },
  { title: "ImJoy: a window", suffix: ".imjoy.html", text: windowText },
  { title: "ImJoy: a web worker", suffix: ".imjoy.html", text: webWorker },
  { title: "ImJoy: Python in the browser", suffix: ".imjoy.html", text: webPython },
  { title: "ImJoy: Python on the host", suffix: ".imjoy.html", text: nativePython },
];
