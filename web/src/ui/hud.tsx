/** What the loader is doing: one line always, all its numbers on request. */
import { useSignal } from "@preact/signals";
import type { ConnectionState, Layer, ViewerStats } from "../viewer/types.ts";
import type { Commands } from "./commands.ts";
import { Timeline } from "./debug/timeline.tsx";
import type { Desk } from "./desk.ts";
import { Icon } from "./icons.tsx";
import { formatBytes, formatCount, formatMilliseconds, formatPercent } from "./numbers.ts";
import type { LinkedViews } from "./quad/linked_views.ts";

type HudProps = {
  readonly desk: Desk;
  readonly views: LinkedViews;
  readonly commands: Commands;
};

export function Hud({ desk, views, commands }: HudProps) {
  const stats = desk.stats.value;
  if (!stats || desk.layers.value.length === 0) return null;
  const missing = stats.wanted - stats.held - stats.failed;
  const own = loaderState(stats, desk.connection.value);
  const shown = own === "Settled" && !views.settled.value ? "Loading" : own;
  const state = desk.frozen.value ? "Frozen" : shown;
  const target = stats.targets[String(desk.selected.value)] ?? Object.values(stats.targets)[0];
  return (
    <aside class="hud" aria-label="Loader">
      <button
        type="button"
        class="hud-line"
        aria-expanded={commands.numbersOpen.value}
        title="The loader's numbers (H)"
        onClick={() => commands.run("toggleNumbers")}
      >
        <span class={`hud-dot ${DOTS[state]}`} aria-hidden="true" />
        <span class="hud-state">{state}</span>
        {target !== undefined && <span class="dim hud-level">level {target}</span>}
        {desk.selectedLayer.value?.points && (
          <span class="dim">{pointsText(desk.selectedLayer.value, stats)}</span>
        )}
        {state === "Frozen" && <span class="dim">X goes on</span>}
        {state === "Loading" && missing > 0 && (
          <span class="dim hud-count">
            {stats.held} / {stats.wanted}
          </span>
        )}
      </button>
      {(stats.failed > 0 || commands.numbersOpen.value) && (
        <div class="hud-more">
          {stats.failed > 0 && <Failures desk={desk} failed={stats.failed} />}
          {commands.numbersOpen.value && <Numbers desk={desk} />}
        </div>
      )}
    </aside>
  );
}

/** How many points of a layer are drawn, of how many. */
function pointsText(layer: Layer, { points }: ViewerStats): string {
  const shown = points?.[String(layer.id)] ?? 0;
  return `${formatCount(shown)} of ${formatCount(layer.points?.count ?? 0)} points`;
}

type LoaderState = "Loading" | "Drawing" | "Settled" | "Frozen" | "No connection";

const DOTS: Readonly<Record<LoaderState, string>> = {
  Loading: "",
  Drawing: "",
  Settled: "hud-dot-settled",
  Frozen: "hud-dot-frozen",
  "No connection": "hud-dot-away",
};

export function loaderState(
  { settled, wanted, held, failed }: ViewerStats,
  connection: ConnectionState,
): LoaderState {
  // What is on the screen may have changed meanwhile; nobody would tell.
  if (connection === "lost" || connection === "closed") return "No connection";
  if (settled) return "Settled";
  // When all has come, the frame that shows it is still to be drawn.
  return wanted > 0 && held + failed >= wanted ? "Drawing" : "Loading";
}

function Failures({ desk, failed }: { readonly desk: Desk; readonly failed: number }) {
  const all = useSignal(false);
  const failures = desk.failures.value;
  const shown = all.value ? failures : failures.slice(0, 1);
  const name = (id: number) => desk.layers.value.find((layer) => layer.id === id)?.name;
  return (
    <div class="hud-failed" role="alert">
      <div class="hud-failed-line">
        <Icon name="warning" />
        <span>{failed === 1 ? "1 brick failed" : `${failed} bricks failed`}</span>
        <button type="button" class="button" onClick={() => desk.retryFailed()}>
          Retry
        </button>
      </div>
      {shown.map((failure) => (
        <p key={`${failure.layer} ${failure.reason}`} class="hud-reason">
          <span class="dim">
            {name(failure.layer)}, level {failure.level}:
          </span>{" "}
          {failure.reason}
        </p>
      ))}
      {failures.length > 1 && (
        <button
          type="button"
          class="link-button"
          aria-expanded={all.value}
          onClick={() => {
            all.value = !all.value;
          }}
        >
          {all.value ? "Fewer reasons" : `${failures.length - 1} more`}
        </button>
      )}
    </div>
  );
}

function Numbers({ desk }: { readonly desk: Desk }) {
  const stats = desk.stats.value;
  if (!stats) return null;
  const rows: readonly (readonly [string, string])[] = [
    ["held / wanted", `${stats.held} / ${stats.wanted}`],
    ["failed", String(stats.failed)],
    ["cache", `${formatBytes(stats.cacheBytes)} of ${formatBytes(stats.cacheBudget)}`],
    [
      "slots",
      `${stats.slotCount}, ${formatBytes(stats.slotBytes)} of ${formatBytes(stats.slotBudget)}`,
    ],
    ["read", formatBytes(stats.bytesRead)],
    ["for nothing", formatPercent(stats.wastedBytes / Math.max(stats.loadedBytes, 1))],
    ["in flight", formatBytes(stats.inFlight)],
    ["link", formatBytes(stats.linkBytes)],
    ["frames", `${Math.round(stats.framesPerSecond)} fps`],
    ["latency", formatMilliseconds(stats.latencyMs)],
    ["plan", formatMilliseconds(stats.planMs)],
  ];
  return (
    <>
      <dl class="hud-numbers">
        {rows.map(([name, value]) => (
          <div key={name} class="hud-row">
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <Timeline desk={desk} />
    </>
  );
}

/** A thin line at the top edge while something is on its way. */
export function ProgressLine({ desk }: { readonly desk: Desk }) {
  const stats = desk.stats.value;
  const connection = desk.connection.value;
  if (desk.layers.value.length === 0 && !desk.opening.value) return null;
  const waiting = stats === null && connection === "connecting";
  if (stats?.settled || (stats === null && !waiting)) return null;
  const fraction = stats && stats.wanted > 0 ? stats.held / stats.wanted : null;
  return (
    <div
      class={fraction === null ? "progress progress-waiting" : "progress"}
      role="progressbar"
      aria-label="Loading"
      {...(fraction === null
        ? {}
        : {
            "aria-valuenow": Math.round(fraction * 100),
            "aria-valuemin": 0,
            "aria-valuemax": 100,
          })}
    >
      <div
        class="progress-done"
        style={fraction === null ? {} : { transform: `scaleX(${Math.min(1, fraction)})` }}
      />
    </div>
  );
}
