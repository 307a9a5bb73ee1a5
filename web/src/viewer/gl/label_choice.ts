/** Which labels are drawn: all, but those that are hidden, or one alone. */

import type { LayerSettings } from "../types.ts";
import type { Program } from "./program.ts";

/** So many can be hidden. */
export const MOST_HIDDEN = 64;

export const LABEL_CHOICE = `
uniform bool u_alone;
uniform uvec2 u_only;
uniform int u_hidden_count;
uniform uvec2 u_hidden[${MOST_HIDDEN}];
bool shown(uvec2 label) {
  if (label == uvec2(0u)) return false;
  if (u_alone) return label == u_only;
  for (int i = 0; i < ${MOST_HIDDEN}; i++) {
    if (i >= u_hidden_count) break;
    if (u_hidden[i] == label) return false;
  }
  return true;
}
`;

export function setLabelChoice(
  gl: WebGL2RenderingContext,
  program: Program,
  { only, hidden = [] }: LayerSettings,
): void {
  gl.uniform1i(program.at("u_alone"), only ? 1 : 0);
  gl.uniform2uiv(program.at("u_only"), words(only || "0"));
  const some = hidden.slice(-MOST_HIDDEN);
  gl.uniform1i(program.at("u_hidden_count"), some.length);
  if (some.length > 0) gl.uniform2uiv(program.at("u_hidden[0]"), some.flatMap(words));
}

/** A decimal id as two words, the lower one first; negative ids as their two's complement. */
function words(id: string): number[] {
  const wide = BigInt.asUintN(64, BigInt(id));
  return [Number(wide & 0xffffffffn), Number(wide >> 32n)];
}
