/** Colour maps as 256 × 1 textures. */

export const ENTRIES = 256;

/** RGB bytes of a colour map by name, or of `#rrggbb`: black to that colour. Unknown: gray. */
export function colourTable(
  colormaps: Readonly<Record<string, Uint8Array>>,
  name: string,
): Uint8Array {
  const known = colormaps[name];
  if (known && known.length === ENTRIES * 3) return known;
  const hex = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(name);
  const end = hex ? hex.slice(1).map((one) => Number.parseInt(one, 16)) : [255, 255, 255];
  const table = new Uint8Array(ENTRIES * 3);
  for (let i = 0; i < ENTRIES; i++) {
    for (let c = 0; c < 3; c++) {
      table[i * 3 + c] = Math.floor((i / (ENTRIES - 1)) * (end[c] ?? 0) + 0.5);
    }
  }
  return table;
}

export class ColourTables {
  readonly #gl: WebGL2RenderingContext;
  readonly #colormaps: Readonly<Record<string, Uint8Array>>;
  readonly #textures = new Map<string, WebGLTexture>();

  constructor(gl: WebGL2RenderingContext, colormaps: Readonly<Record<string, Uint8Array>>) {
    this.#gl = gl;
    this.#colormaps = colormaps;
  }

  bind(unit: number, name: string): void {
    const gl = this.#gl;
    gl.activeTexture(gl.TEXTURE0 + unit);
    const held = this.#textures.get(name);
    if (held) {
      gl.bindTexture(gl.TEXTURE_2D, held);
      return;
    }
    const rgb = colourTable(this.#colormaps, name);
    const rgba = new Uint8Array(ENTRIES * 4).fill(255);
    for (let i = 0; i < ENTRIES; i++) rgba.set(rgb.subarray(i * 3, i * 3 + 3), i * 4);
    const texture = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.texStorage2D(gl.TEXTURE_2D, 1, gl.RGBA8, ENTRIES, 1);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, ENTRIES, 1, gl.RGBA, gl.UNSIGNED_BYTE, rgba);
    this.#textures.set(name, texture);
  }
}
