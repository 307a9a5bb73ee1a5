/** What plugins do, on the status bar: the latest of it, how far it is, and a way to end it. */
import { IconButton } from "../icons.tsx";
import type { Activity } from "./activity.ts";
import type { About, Loaded } from "./service.ts";

type ActivityLineProps = {
  readonly activity: Activity;
  readonly loaded: readonly Loaded[];
  readonly errors: ReadonlyMap<string, number>;
  readonly onStop: (about: About) => void;
  readonly onLog: (about: About) => void;
};

export function ActivityLine({ activity, loaded, errors, onStop, onLog }: ActivityLineProps) {
  const doing = activity.doing.value;
  const isBusy = (id: string) =>
    loaded.some((one) => one.id === id && (one.state === "running" || one.state === "loading"));
  const latest = doing.findLast(({ id }) => isBusy(id)) ?? doing.at(-1);
  const failed = loaded.find(({ id }) => errors.has(id));
  return (
    <>
      {failed && (
        <button
          type="button"
          class="button activity-errors"
          aria-label={`Errors of ${failed.name}: show the log`}
          onClick={() => onLog(failed)}
        >
          {errors.get(failed.id)} {errors.get(failed.id) === 1 ? "error" : "errors"}
        </button>
      )}
      {latest && (
        <span class="activity" role="status">
          <span class="activity-text" title={`${latest.name}: ${latest.text}`}>
            <b>{latest.name}</b> {latest.text}
          </span>
          {latest.progress !== null && isBusy(latest.id) && (
            <progress
              class="activity-bar"
              aria-label={`Progress of ${latest.name}`}
              value={latest.progress}
            />
          )}
          {isBusy(latest.id) && (
            <IconButton icon="stop" label={`Stop ${latest.name}`} onClick={() => onStop(latest)} />
          )}
        </span>
      )}
    </>
  );
}
