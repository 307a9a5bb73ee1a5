/** What is under the pointer, how far one is zoomed in, and whether the server is there. */
import { Fragment } from "preact";
import { labelColour } from "../viewer/label_colour.ts";
import type { ConnectionState, Layer, PointedPoint } from "../viewer/types.ts";
import type { Desk } from "./desk.ts";
import type { HostParts } from "./host/host_parts.ts";
import { formatAt, formatPercent, trimmed } from "./numbers.ts";
import { spaceSymbol } from "./units.ts";

const CONNECTION_TEXT: Readonly<Record<ConnectionState, string>> = {
  connecting: "Connecting",
  open: "Connected",
  lost: "Connection lost",
  closed: "Closed",
};

/** Of a point, that are named. */
const MOST_PROPERTIES = 8;

type StatusBarProps = { readonly desk: Desk; readonly host: HostParts | null };

export function StatusBar({ desk, host }: StatusBarProps) {
  const connection = desk.connection.value;
  return (
    <section class="status" aria-label="Status">
      <Pointer desk={desk} />
      {host && <host.Activity />}
      {host && <host.JobsIndicator />}
      <Zoom desk={desk} />
      <span class={`connection connection-${connection}`} role="status">
        <span class="connection-dot" aria-hidden="true" />
        {CONNECTION_TEXT[connection]}
      </span>
    </section>
  );
}

function Pointer({ desk }: { readonly desk: Desk }) {
  const probe = desk.probe.value;
  const camera = desk.camera.value;
  if (!probe || !camera) {
    const drag = camera?.volume ? "turn, Shift and drag to move" : "move";
    return <span class="status-hint">{`Drag to ${drag}, wheel to zoom, ? for help`}</span>;
  }
  const pixel = 1 / (camera.volume?.zoom ?? camera.zoom);
  const axes = desk.layers.value.flatMap((layer) => layer.axes);
  const unit = (name: string) => axes.find((axis) => axis.name === name)?.unit ?? null;
  const [vertical, horizontal] = desk.probed.value?.camera?.displayed ?? camera.displayed;
  const place = Object.entries(
    probe.place ?? { [vertical]: probe.world[0], [horizontal]: probe.world[1] },
  ).map(([name, at]) => ({ name, at, unit: spaceSymbol(unit(name)) }));
  return (
    <>
      <output class="status-position" aria-label="Position" aria-live="off">
        {place.map(({ name, at, unit: own }, i) => (
          <Fragment key={name}>
            <Coordinate name={name} value={formatAt(at, pixel)} />
            {own !== place[i + 1]?.unit && <span class="unit">{own}</span>}
          </Fragment>
        ))}
      </output>
      <output class="status-values" aria-label="Values" aria-live="off">
        {desk.layers.value.map((layer) => (
          <Value key={layer.id} layer={layer} desk={desk} />
        ))}
      </output>
    </>
  );
}

function Coordinate({ name, value }: { readonly name: string; readonly value: string }) {
  return (
    <span class="coordinate">
      <span class="dim">{name}</span> {value}
    </span>
  );
}

/** The point under the pointer: where it is, and its properties as soon as they are known. */
function Point({ point, layer }: { readonly point: PointedPoint; readonly layer: Layer }) {
  const properties = Object.entries(point.properties ?? {}).slice(0, MOST_PROPERTIES);
  return (
    <span class="status-value">
      <span class="dim status-layer" title={layer.name}>
        {layer.name}
      </span>
      {Object.entries(point.position).map(([name, value]) => (
        <Coordinate key={name} name={name} value={trimmed(value, 6)} />
      ))}
      {properties.map(([name, value]) => (
        <span key={name} class="status-number">
          <span class="dim">{name}</span>{" "}
          {typeof value === "number" ? trimmed(value, 6) : (value ?? "–")}
        </span>
      ))}
    </span>
  );
}

function Value({ desk, layer }: { readonly desk: Desk; readonly layer: Layer }) {
  const point = desk.probe.value?.point;
  if (point?.layer === layer.id) return <Point point={point} layer={layer} />;
  const found = desk.probe.value?.values.find((value) => value.layer === layer.id);
  if (!found || found.value === null) return null;
  const colour = layer.kind === "labels" ? idColour(found.value) : null;
  return (
    <span class="status-value">
      <span class="dim status-layer" title={layer.name}>
        {layer.name}
      </span>
      {colour && <span class="id-swatch" style={{ background: colour }} aria-hidden="true" />}
      <span class="status-number">
        {isExact(layer) ? "" : "≈ "}
        {found.value}
      </span>
      {found.level !== null && (
        <span class="level" title={`Read off level ${found.level}`}>
          L{found.level}
        </span>
      )}
    </span>
  );
}

/** 100 % is one pixel of the finest level per pixel of the screen. */
function Zoom({ desk }: { readonly desk: Desk }) {
  const camera = desk.camera.value;
  const layer = [desk.selectedLayer.value, ...desk.layers.value].find((one) => one && !one.points);
  if (!camera || !layer) return null;
  const axis = layer.axes.findIndex((candidate) => candidate.name === camera.displayed[1]);
  const scale = layer.levels[0]?.scale[axis];
  if (scale === undefined) return null;
  return (
    <span class="status-zoom" title="100 %: one data pixel per pixel of the screen">
      {formatPercent((camera.volume?.zoom ?? camera.zoom) * scale)}
    </span>
  );
}

/** The colour that the canvas draws a label in; null for 0, which is no label. */
function idColour(value: string): string | null {
  if (!/^-?\d+$/.test(value)) return null;
  const colour = labelColour(BigInt(value));
  return colour && `rgb(${colour.map((component) => Math.round(component * 255)).join(" ")})`;
}

/** Whether values travel as they are stored: 64-bit ones (but labels) are rounded to float32. */
function isExact(layer: Layer): boolean {
  return layer.kind === "labels" || !["float64", "int64", "uint64"].includes(layer.data_dtype);
}
