/** Prints how ImJoy itself reads each of the texts in a JSON list, one line for each. */
import { readFileSync } from "node:fs";
import { parseComponent } from "imjoy-core/src/pluginParser.js";

for (const text of JSON.parse(readFileSync(0, "utf8"))) {
  const { others, ...known } = parseComponent(text);
  const blocks = Object.values(known).flat();
  blocks.sort((one, other) => one.start - other.start);
  console.log(JSON.stringify(blocks.map(({ type, attrs, content }) => [type, attrs, content])));
}
