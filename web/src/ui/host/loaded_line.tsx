/** How a plugin that is loaded fares: its state, how far it is, and what can be done about it. */
import { IconButton } from "../icons.tsx";
import type { PluginsParts } from "../plugins/plugins_parts.ts";
import type { Loaded } from "../plugins/service.ts";

type LoadedLineProps = { readonly loaded: Loaded; readonly plugins: PluginsParts };

const STATES: Readonly<Record<Loaded["state"], string>> = {
  loading: "Loading",
  ready: "Ready",
  running: "Running",
  failed: "Failed",
  ended: "Ended",
};

export function LoadedLine({ loaded, plugins }: LoadedLineProps) {
  const { id, name, state, error, status, progress, tag } = loaded;
  const errors = plugins.errors.value.get(id) ?? 0;
  return (
    <section class={`loaded loaded-${state}`} aria-label={`${name}: ${STATES[state]}`}>
      <div class="loaded-line">
        <span class="loaded-dot" aria-hidden="true" />
        <span class="loaded-text" role="status">
          {STATES[state]}
          {tag && <span class="dim"> {tag}</span>}
          {status && <span class="dim"> · {status}</span>}
        </span>
        {errors > 0 && (
          <button
            type="button"
            class="button activity-errors"
            onClick={() => plugins.showLog({ id, name })}
          >
            {errors} {errors === 1 ? "error" : "errors"}
          </button>
        )}
        <IconButton
          icon="log"
          label={`Log of ${name}`}
          onClick={() => plugins.showLog({ id, name })}
        />
        <IconButton
          icon="again"
          label={`Load ${name} again`}
          onClick={() => void plugins.reload({ id, name })}
        />
        <IconButton
          icon="stop"
          label={`Stop ${name}`}
          onClick={() => void plugins.stop({ id, name })}
        />
      </div>
      {progress !== null && state === "running" && (
        <progress class="activity-bar" aria-label={`Progress of ${name}`} value={progress} />
      )}
      {error !== null && <p class="plugin-error">{error}</p>}
    </section>
  );
}
