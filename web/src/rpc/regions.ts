/** Which part of a lazy array is meant (protocol/RPC.md, "Lazy arrays"). Pure. */
import { ProtocolError } from "./errors.ts";

/** All of an axis, one place (-1 is the last), or from `start` to before `stop`, each of which may be left out. */
export type Part =
  | null
  | number
  | readonly [start: number | null, stop?: number | null, step?: number];

/** `[start, stop, step]` for each axis. */
export type Region = readonly (readonly [start: number, stop: number, step: number])[];

const MOST_REGIONS = 1024;
const LARGEST_CALL = 1 << 30;

/** The region that an index means (axes left out at its end are whole), and the shape of what it gives. */
export function regionOf(
  index: readonly Part[],
  shape: readonly number[],
): { readonly region: Region; readonly shape: readonly number[] } {
  if (index.length > shape.length) {
    throw new RangeError(`[${index}] is too long for ${shape.length} axes.`);
  }
  const given: number[] = [];
  const region = shape.map((side, axis) => {
    const part = partOf(index[axis] ?? null, side, axis);
    if (typeof index[axis] !== "number") given.push(lengthOf(part));
    return part;
  });
  return { region, shape: given };
}

function partOf(part: Part, side: number, axis: number): Region[number] {
  if (typeof part === "number") {
    if (Number.isInteger(part) && part >= -side && part < side) {
      const place = part < 0 ? part + side : part;
      return [place, place + 1, 1];
    }
    throw new RangeError(`${part} lies outside axis ${axis}, which has ${side} elements.`);
  }
  const [first, end, step = 1] = part ?? [null];
  const [start, stop] = [within(first ?? 0, side), within(end ?? side, side)];
  if (!Number.isInteger(step) || step < 1)
    throw new RangeError(`A step is 1 or more, not ${step}.`);
  if (stop <= start) return [0, 0, 1];
  // As short as can be, so that one region is written in one way.
  return [start, start + Math.floor((stop - 1 - start) / step) * step + 1, step];
}

function within(place: number, side: number): number {
  if (!Number.isInteger(place)) throw new RangeError(`${place} is no place on an axis.`);
  return Math.min(Math.max(place < 0 ? place + side : place, 0), side);
}

function lengthOf([start, stop, step]: Region[number]): number {
  return Math.ceil((stop - start) / step);
}

/** The shape of what a region holds. */
export function shapeOf(region: Region): number[] {
  return region.map(lengthOf);
}

/** How many elements an array of that shape has. */
export function countOf(shape: readonly number[]): number {
  return shape.reduce((count, side) => count * side, 1);
}

/** What came from outside, if it is what one call may ask for. */
export function checkRegions(claimed: unknown, shape: readonly number[], itemSize: number) {
  if (!Array.isArray(claimed) || claimed.length > MOST_REGIONS) {
    throw new ProtocolError(`A lazy array is read by lists of up to ${MOST_REGIONS} regions.`);
  }
  const regions = claimed.map((region) => checked(region, shape));
  const count = regions.reduce((sum, region) => sum + countOf(shapeOf(region)), 0);
  if (count * itemSize <= LARGEST_CALL) return regions;
  throw new ProtocolError(`One call reads at most ${LARGEST_CALL} bytes: make several.`);
}

function checked(region: unknown, shape: readonly number[]): Region {
  const isRegion =
    Array.isArray(region) &&
    region.length === shape.length &&
    shape.every((side, axis) => {
      const part: unknown = region[axis];
      if (!Array.isArray(part) || part.length !== 3 || !part.every(Number.isInteger)) return false;
      const [start, stop, step] = part;
      return start >= 0 && start <= stop && stop <= side && step >= 1;
    });
  if (isRegion) return region as unknown as Region;
  throw new ProtocolError("A region does not lie within its array.");
}
