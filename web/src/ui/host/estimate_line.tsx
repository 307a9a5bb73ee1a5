/** What a run would work on and need, before it is started. */
import { Icon } from "../icons.tsx";
import { formatBytes, formatCount, formatSeconds } from "../numbers.ts";
import type { EstimateSource } from "./estimate_source.ts";
import type { Estimate } from "./host_service.ts";
import type { RunPlan } from "./run_plan.ts";

type EstimateLineProps = { readonly source: EstimateSource; readonly plan: RunPlan };

export function EstimateLine({ source, plan }: EstimateLineProps) {
  const { estimate, problem, isAsking } = source.state.value;
  return (
    <section
      class={isAsking ? "estimate estimate-asking" : "estimate"}
      aria-label="Estimate"
      aria-busy={isAsking}
    >
      {estimate && <Needs estimate={estimate} rows={rowsOf(plan)} />}
      {problem && (
        <p class="estimate-warning">
          <Icon name="warning" />
          <span>{problem}</span>
        </p>
      )}
      {isAsking && !estimate && !problem && <p class="dim">Estimating …</p>}
      {!plan.request.value && <p class="dim">Estimated when the form is complete.</p>}
    </section>
  );
}

type NeedsProps = { readonly estimate: Estimate; readonly rows: string };

function Needs({ estimate, rows }: NeedsProps) {
  const { worker_bytes, available_bytes, seconds, measured, warning } = estimate;
  // Not every system says how much is free.
  const isKnown = available_bytes > 0;
  const isTight = isKnown && worker_bytes > available_bytes;
  return (
    <>
      <dl class="estimate-rows">
        {workText(estimate, rows) && (
          <>
            <dt>Works on</dt>
            <dd>{workText(estimate, rows)}</dd>
          </>
        )}
        <dt>Memory</dt>
        <dd class={isTight ? "estimate-tight" : ""}>
          ≈ {formatBytes(worker_bytes)}
          {isKnown && <span class="dim"> of {formatBytes(available_bytes)} free</span>}
        </dd>
        <dt>Time</dt>
        <dd>
          {seconds === null ? "not known before the first run" : timeText(seconds)}
          {seconds !== null && (
            <span class="dim"> ({measured ? "from earlier runs" : "a guess"})</span>
          )}
        </dd>
      </dl>
      {warning && (
        <p class="estimate-warning">
          <Icon name="warning" />
          <span>{warning}</span>
        </p>
      )}
    </>
  );
}

/** What rows are: those of a table, or points. */
function rowsOf({ operation }: RunPlan): string {
  return operation.inputs.every(({ kind }) => kind === "table") ? "rows" : "points";
}

/** "2048 × 1536 px of level 1, 305 times", "1,234 points"; nothing where it works on nothing. */
function workText({ shape, level, calls, rows = 0 }: Estimate, what: string): string {
  if (shape.length === 0) return rows > 0 ? `${formatCount(rows)} ${what}` : "";
  const times = calls === 1 ? "" : `, ${calls} times`;
  return `${shape.join(" × ")} px of level ${level}${times}`;
}

function timeText(seconds: number): string {
  return seconds < 0.1 ? "a moment" : `≈ ${formatSeconds(seconds)}`;
}
