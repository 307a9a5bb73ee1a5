/** The colour of a label id: the same hash as in the shader and in Python (fixtures/label_colours.json). */

export type Colour = readonly [red: number, green: number, blue: number];

/** Components 0…1; null for id 0, which is transparent. Negative ids are taken as two's complement. */
export function labelColour(id: bigint | number): Colour | null {
  const wide = BigInt.asUintN(64, BigInt(id));
  if (wide === 0n) return null;
  return hashColour(Number(wide & 0xffffffffn), Number(wide >> 32n));
}

function hashColour(low: number, high: number): Colour {
  const hash = finalise(low ^ finalise(high ^ 0x9e3779b9));
  const hue = (hash & 0xffff) / 65536;
  const saturation = 0.55 + (0.45 * ((hash >>> 16) & 0xff)) / 255;
  const value = 0.75 + (0.25 * ((hash >>> 24) & 0xff)) / 255;
  return fromHsv(hue, saturation, value);
}

/** The finaliser of murmur3: every bit of the input changes half of the output. */
function finalise(value: number): number {
  let x = value | 0;
  x ^= x >>> 16;
  x = Math.imul(x, 0x85ebca6b);
  x ^= x >>> 13;
  x = Math.imul(x, 0xc2b2ae35);
  x ^= x >>> 16;
  return x;
}

function fromHsv(hue: number, saturation: number, value: number): Colour {
  const component = (offset: number): number => {
    const k = (offset + hue * 6) % 6;
    return value - value * saturation * Math.max(0, Math.min(k, 4 - k, 1));
  };
  return [component(5), component(3), component(1)];
}
