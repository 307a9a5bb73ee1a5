/** How a volume is looked at: shown over the canvas while it is in 3D. */
import type { Mode, VolumeView } from "../viewer/types.ts";
import { ClipControl } from "./clip_control.tsx";
import type { Desk } from "./desk.ts";
import { MemoryChoice } from "./memory_choice.tsx";

export const MODES: readonly { readonly mode: Mode; readonly label: string }[] = [
  { mode: "mip", label: "Maximum" },
  { mode: "average", label: "Average" },
  { mode: "minip", label: "Minimum" },
  { mode: "translucent", label: "Translucent" },
  { mode: "iso", label: "Surface" },
];

const QUALITIES: readonly { readonly quality: number; readonly label: string }[] = [
  { quality: 0.25, label: "Draft" },
  { quality: 0.5, label: "Half" },
  { quality: 1, label: "Screen" },
  { quality: 2, label: "Double" },
];

/** Degrees from top to bottom, where there is perspective at all. */
const PERSPECTIVE = 40;
/** A density is chosen as what suits the canvas times a power of two. */
const MOST_DOUBLINGS = 5;
const SUITS = 32;

export function VolumeBar({ desk }: { readonly desk: Desk }) {
  const volume = desk.camera.value?.volume;
  if (!volume) return null;
  const change = (part: Partial<VolumeView>) => desk.changeVolume(part);
  return (
    <section class="volume-bar" aria-label="Volume">
      <label>
        <span class="visually-hidden">Projection</span>
        <select
          class="select"
          value={volume.mode}
          onChange={(event) => change({ mode: event.currentTarget.value as Mode })}
        >
          {MODES.map(({ mode, label }) => (
            <option key={mode} value={mode}>
              {label}
            </option>
          ))}
        </select>
      </label>
      {volume.mode === "iso" && <Threshold desk={desk} volume={volume} />}
      {volume.mode === "translucent" && <Density desk={desk} volume={volume} />}
      <label>
        <span class="dim">Quality</span>{" "}
        <select
          class="select"
          value={String(volume.quality)}
          title="Voxels per pixel of the screen: less is quicker and takes less memory"
          onChange={(event) => change({ quality: Number(event.currentTarget.value) })}
        >
          {QUALITIES.map(({ quality, label }) => (
            <option key={quality} value={String(quality)}>
              {label}
            </option>
          ))}
        </select>
      </label>
      <MemoryChoice desk={desk} />
      <label>
        <input
          type="checkbox"
          checked={volume.perspective > 0}
          onChange={(event) =>
            change({ perspective: event.currentTarget.checked ? PERSPECTIVE : 0 })
          }
        />{" "}
        Perspective
      </label>
      <ClipControl desk={desk} volume={volume} />
    </section>
  );
}

type PartProps = { readonly desk: Desk; readonly volume: VolumeView };

/** Between the contrast limits of the selected layer. */
function Threshold({ desk, volume }: PartProps) {
  const layer = desk.selectedLayer.value;
  const [low, high] = layer ? desk.settingsOf(layer).contrast : [0, 1];
  return (
    <input
      type="range"
      class="range"
      aria-label="Threshold"
      title="The value of the surface"
      min={low}
      max={high}
      step={(high - low) / 200 || 1}
      value={volume.threshold ?? (low + high) / 2}
      onInput={(event) => desk.changeVolume({ threshold: event.currentTarget.valueAsNumber })}
      onDblClick={() => desk.changeVolume({ threshold: null })}
    />
  );
}

function Density({ desk, volume }: PartProps) {
  const suiting = (SUITS * volume.zoom) / Math.min(...desk.viewer.size);
  const doublings = volume.density === null ? 0 : Math.log2(volume.density / suiting);
  return (
    <input
      type="range"
      class="range"
      aria-label="Density"
      title="How little light passes"
      min={-MOST_DOUBLINGS}
      max={MOST_DOUBLINGS}
      step={0.1}
      value={doublings}
      onInput={(event) =>
        desk.changeVolume({ density: suiting * 2 ** event.currentTarget.valueAsNumber })
      }
      onDblClick={() => desk.changeVolume({ density: null })}
    />
  );
}
