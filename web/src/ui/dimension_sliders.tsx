/** One slider per axis that is not displayed. */
import type { Desk } from "./desk.ts";
import { IconButton } from "./icons.tsx";
import { formatAt } from "./numbers.ts";
import { FASTEST, type Playback, SLOWEST } from "./playback.ts";
import { filledTo, NumberField } from "./slider.tsx";
import { positionOf, type SliderAxis } from "./slider_axes.ts";
import { unitSymbol } from "./units.ts";

type DimensionSlidersProps = { readonly desk: Desk; readonly playback: Playback };

export function DimensionSliders({ desk, playback }: DimensionSlidersProps) {
  const axes = desk.axes.value;
  if (axes.length === 0) return null;
  return (
    <section class="dimensions" aria-label="Slices">
      {axes.map((axis) => (
        <DimensionSlider key={axis.name} axis={axis} desk={desk} playback={playback} />
      ))}
    </section>
  );
}

function DimensionSlider(props: DimensionSlidersProps & { readonly axis: SliderAxis }) {
  const { axis, desk, playback } = props;
  const index = desk.sliceIndex(axis);
  const last = axis.count - 1;
  const playing = playback.playing.value === axis.name;
  const symbol = unitSymbol(axis.unit);
  const isWhole = axis.isOfPoints && desk.showsAllPoints(axis);
  const world = `${formatAt(positionOf(axis, index), axis.step)}${symbol && ` ${symbol}`}`;
  const show = (next: number) => {
    playback.stop();
    desk.activeAxis.value = axis.name;
    desk.showSlice(axis, next);
  };
  const press = (event: KeyboardEvent) => {
    // PageUp and PageDown go one slice everywhere; the slider itself would jump by a tenth.
    const steps = { PageUp: -1, PageDown: 1 }[event.key];
    if (steps === undefined) return;
    event.preventDefault();
    show(index + steps);
  };
  return (
    <fieldset
      class={isWhole ? "dimension dimension-whole" : "dimension"}
      onFocusIn={() => (desk.activeAxis.value = axis.name)}
    >
      <legend class="visually-hidden">Axis {axis.name}</legend>
      <IconButton
        icon={playing ? "pause" : "play"}
        label={playing ? `Stop ${axis.name}` : `Play ${axis.name}`}
        hint="Space"
        onClick={() => {
          desk.activeAxis.value = axis.name;
          playback.toggle(axis);
        }}
      />
      <span class="dimension-name" aria-hidden="true" title={axis.name}>
        {axis.name}
      </span>
      <IconButton
        icon="previous"
        label={`Previous ${axis.name}`}
        hint=", or Page Up"
        disabled={index === 0}
        onClick={() => show(index - 1)}
      />
      <input
        type="range"
        class="range"
        aria-label={axis.name}
        aria-valuetext={isWhole ? "all" : `${index} of ${last}, ${world}`}
        min={0}
        max={last}
        step={1}
        value={index}
        style={filledTo(index / last)}
        onInput={(event) => show(event.currentTarget.valueAsNumber)}
        onKeyDown={press}
      />
      <IconButton
        icon="next"
        label={`Next ${axis.name}`}
        hint=". or Page Down"
        disabled={index === last}
        onClick={() => show(index + 1)}
      />
      <span class="dimension-index" style={{ "--digits": String(last).length }}>
        <NumberField
          label={`${axis.name} index`}
          value={index}
          step={1}
          accepts={(next) => Number.isInteger(next) && next >= 0 && next <= last}
          onCommit={show}
        />
        <span class="dimension-last">/ {last}</span>
      </span>
      <span class={playing ? "dimension-rate" : "dimension-rate dimension-rate-idle"}>
        <NumberField
          label="Slices per second"
          value={playback.framesPerSecond.value}
          step={1}
          accepts={(rate) => rate >= SLOWEST && rate <= FASTEST}
          onCommit={(rate) => {
            playback.framesPerSecond.value = rate;
          }}
        />
        <span class="dimension-last">fps</span>
      </span>
      <output class="dimension-world">{isWhole ? "" : world}</output>
      {desk.pointsAlong(axis).length > 0 && <AllPoints axis={axis} desk={desk} />}
    </fieldset>
  );
}

/** Points of all slices, or of the one that is shown. */
function AllPoints({ axis, desk }: { readonly axis: SliderAxis; readonly desk: Desk }) {
  const all = desk.showsAllPoints(axis);
  return (
    <button
      type="button"
      class="button dimension-all"
      aria-label={`All points along ${axis.name}`}
      aria-pressed={all}
      title={
        all ? "Show the points of this slice only" : `Show all points, whatever their ${axis.name}`
      }
      onClick={() => desk.showAllPoints(axis, !all)}
    >
      All
    </button>
  );
}
