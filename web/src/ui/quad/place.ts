/** A camera's place in the world, along all axes, and cameras of other panels at the same place. Pure. */
import type { Camera, Triple } from "../../viewer/types.ts";

export type Place = {
  readonly world: Readonly<Record<string, number>>;
  readonly zoom: number;
};

export function placeOf(camera: Camera): Place {
  const { volume, position } = camera;
  if (volume) {
    const along = volume.displayed.map((name, axis) => [name, volume.center[axis] ?? 0] as const);
    return { world: { ...position, ...Object.fromEntries(along) }, zoom: volume.zoom };
  }
  const [row, column] = camera.displayed;
  const [y, x] = camera.center;
  return { world: { ...position, [row]: y, [column]: x }, zoom: camera.zoom };
}

/** What of a camera is another at that place; null: it is there already. */
export function cameraAt(camera: Camera, { world, zoom }: Place): Partial<Camera> | null {
  const { volume } = camera;
  const displayed: readonly string[] = volume?.displayed ?? camera.displayed;
  const position = Object.fromEntries(
    Object.entries(world).filter(([name]) => !displayed.includes(name)),
  );
  const at = (name: string, before: number) => world[name] ?? before;
  const change: Partial<Camera> = volume
    ? {
        position,
        volume: {
          ...volume,
          zoom,
          center: volume.displayed.map((name, axis) =>
            at(name, volume.center[axis] ?? 0),
          ) as unknown as Triple,
        },
      }
    : {
        position,
        zoom,
        center: [
          at(camera.displayed[0], camera.center[0]),
          at(camera.displayed[1], camera.center[1]),
        ],
      };
  return isThere(camera, { ...camera, ...change }) ? null : change;
}

function isThere(camera: Camera, other: Camera): boolean {
  const [here, there] = [placeOf(camera), placeOf(other)];
  return (
    here.zoom === there.zoom &&
    Object.entries(there.world).every(([name, value]) => here.world[name] === value)
  );
}
