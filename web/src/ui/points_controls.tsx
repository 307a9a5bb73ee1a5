/** How points are drawn: how large, in which colour, by which property, how thick a slice. */
import type { Layer, LayerSettings, Property } from "../viewer/types.ts";
import { ColormapMenu } from "./colormap_menu.tsx";
import type { Desk } from "./desk.ts";
import { trimmed } from "./numbers.ts";
import { NumberField, Slider } from "./slider.tsx";
import { extentAlong, SLICES, sliceable } from "./slider_axes.ts";
import { isColour } from "./view_state.ts";

/** Device pixels: sizes go from 2^-1 to 2^7. */
const SIZES = [-1, 7] as const;
/** Sizes in the world, as powers of two of the layer's extent. */
const WORLD_SIZES = [-16, -2] as const;

type PointsControlsProps = {
  readonly desk: Desk;
  readonly layer: Layer;
  readonly settings: LayerSettings;
};

export function PointsControls({ desk, layer, settings }: PointsControlsProps) {
  const change = (part: Partial<LayerSettings>) => desk.changeLayer(layer.id, part);
  const properties = layer.points?.properties ?? [];
  const colouredBy = properties.find((one) => one.name === settings.colourBy);
  return (
    <>
      <SizeControl desk={desk} layer={layer} settings={settings} />
      {properties.length > 0 && (
        <PropertyMenu
          label="Size by"
          none="All of one size"
          value={settings.sizeBy ?? ""}
          properties={properties}
          onChange={(sizeBy) => change({ sizeBy })}
        />
      )}
      {properties.length > 0 && (
        <PropertyMenu
          label="Colour by"
          none="All of one colour"
          value={settings.colourBy ?? ""}
          properties={properties}
          onChange={(colourBy) => {
            const range = properties.find((one) => one.name === colourBy)?.range;
            change({ colourBy, ...(range ? { contrast: wide(range) } : {}) });
          }}
        />
      )}
      {!colouredBy && <ColourField settings={settings} onChange={(colour) => change({ colour })} />}
      {colouredBy && colouredBy.categories === 0 && (
        <>
          <LimitFields property={colouredBy} settings={settings} onChange={change} />
          <ColormapMenu
            value={settings.colormap}
            colormaps={desk.colormaps}
            onChange={(colormap) => change({ colormap })}
          />
        </>
      )}
      {sliceable(layer, desk.displayed.value).map((axis) => (
        <ThicknessControl key={axis} axis={axis} desk={desk} layer={layer} settings={settings} />
      ))}
    </>
  );
}

function SizeControl({ desk, layer, settings }: PointsControlsProps) {
  const { size = 4, unit = "screen" } = settings;
  const change = (part: Partial<LayerSettings>) => desk.changeLayer(layer.id, part);
  const largest = Math.max(...layer.axes.map((_, axis) => extentAlong(layer, axis).length));
  const [low, high] = unit === "screen" ? SIZES : WORLD_SIZES;
  const whole = unit === "screen" ? 1 : largest;
  const rounded = (power: number) => Number((whole * 2 ** power).toPrecision(3));
  return (
    <>
      <Slider
        label="Size"
        value={Math.log2(size / whole)}
        low={low}
        high={high}
        step={0.05}
        text={unit === "screen" ? `${trimmed(size, 3)} px` : trimmed(size, 3)}
        onInput={(power) => change({ size: rounded(power) })}
        onReset={() => desk.resetLayer(layer.id, ["size", "unit"])}
      />
      <label class="field">
        <span class="field-label">Unit</span>
        <select
          class="select"
          aria-label="Size is measured in"
          value={unit}
          onChange={(event) => {
            const next = event.currentTarget.value === "world" ? "world" : "screen";
            if (next === unit) return;
            // As large as now, where one looks.
            const camera = desk.camera.peek();
            const zoom = camera?.volume?.zoom ?? camera?.zoom ?? 1;
            const same = next === "world" ? size / zoom : size * zoom;
            change({ unit: next, size: Number(same.toPrecision(3)) });
          }}
        >
          <option value="screen">Screen pixels</option>
          <option value="world">World units</option>
        </select>
      </label>
    </>
  );
}

type PropertyMenuProps = {
  readonly label: string;
  /** What is said where no property is chosen. */
  readonly none: string;
  readonly value: string;
  readonly properties: readonly Property[];
  readonly onChange: (name: string) => void;
};

function PropertyMenu({ label, none, value, properties, onChange }: PropertyMenuProps) {
  return (
    <label class="field">
      <span class="field-label">{label}</span>
      <select
        class="select"
        aria-label={label}
        value={value}
        onChange={(event) => onChange(event.currentTarget.value)}
      >
        <option value="">{none}</option>
        {properties.map(({ name }) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}

function ColourField({
  settings,
  onChange,
}: {
  readonly settings: LayerSettings;
  readonly onChange: (colour: string) => void;
}) {
  const { colour = "#ffffff" } = settings;
  return (
    <label class="field">
      <span class="field-label">Colour</span>
      <input
        type="color"
        class="colour-well"
        aria-label="Colour"
        value={isColour(colour) ? colour : "#ffffff"}
        onInput={(event) => onChange(event.currentTarget.value)}
      />
    </label>
  );
}

type LimitFieldsProps = {
  readonly property: Property;
  readonly settings: LayerSettings;
  readonly onChange: (part: Partial<LayerSettings>) => void;
};

function LimitFields({ property, settings, onChange }: LimitFieldsProps) {
  const [low, high] = settings.contrast;
  const range = property.range ?? [0, 1];
  return (
    <fieldset class="contrast">
      <legend class="contrast-title">
        <span class="field-label">Limits of {property.name}</span>
      </legend>
      <div class="contrast-fields">
        <NumberField
          label="Minimum"
          value={low}
          step="any"
          accepts={(value) => value < high}
          onCommit={(value) => onChange({ contrast: [value, high] })}
        />
        <div class="contrast-buttons">
          <button
            type="button"
            class="button"
            title="From the lowest to the highest number that there is"
            onClick={() => onChange({ contrast: wide(range) })}
          >
            All
          </button>
        </div>
        <NumberField
          label="Maximum"
          value={high}
          step="any"
          accepts={(value) => value > low}
          onCommit={(value) => onChange({ contrast: [low, value] })}
        />
      </div>
    </fieldset>
  );
}

/** How much of an axis that is not displayed is shown at once. */
function ThicknessControl({
  desk,
  layer,
  settings,
  axis,
}: PointsControlsProps & { readonly axis: string }) {
  const { thickness = {} } = settings;
  const number = layer.axes.findIndex(({ name }) => name === axis);
  const { length } = extentAlong(layer, number);
  const slices = thickness[axis] ? length / thickness[axis] : 1;
  const { [axis]: _, ...others } = thickness;
  const set = (power: number) => {
    const part = Number((length / 2 ** power).toPrecision(3));
    const next = power <= 0 ? others : { ...others, [axis]: part };
    desk.changeLayer(layer.id, { thickness: next });
  };
  return (
    <Slider
      label={`Slice of ${axis}`}
      value={Math.log2(slices)}
      low={0}
      high={Math.log2(SLICES) + 2}
      step={0.25}
      text={thickness[axis] ? trimmed(thickness[axis], 3) : "all"}
      onInput={set}
      onReset={() => desk.changeLayer(layer.id, { thickness: others })}
    />
  );
}

/** Limits that are apart, also where all numbers are equal. */
function wide([low, high]: readonly [number, number]): readonly [number, number] {
  return low < high ? [low, high] : [low, low + 1];
}
