/** The form of an operation: its inputs, its parameters, what to run it on, what that needs, and Run. */
import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import type { Desk } from "../desk.ts";
import { EstimateLine } from "./estimate_line.tsx";
import { EstimateSource } from "./estimate_source.ts";
import type { FormDraft } from "./form_draft.ts";
import { FormField } from "./form_field.tsx";
import { entryOf } from "./form_values.ts";
import type { HostLink } from "./host_link.ts";
import type { Job } from "./host_service.ts";
import { InputPicker } from "./input_picker.tsx";
import type { Jobs } from "./jobs.ts";
import { Permissions } from "./permissions.tsx";
import type { Permits } from "./permits.ts";
import type { Chosen } from "./plugin_shelf.ts";
import { RunPlan } from "./run_plan.ts";
import { RunRegion } from "./run_region.tsx";

type OperationFormProps = {
  readonly desk: Desk;
  readonly link: HostLink;
  readonly jobs: Jobs;
  readonly permits: Permits;
  readonly chosen: Chosen;
  readonly draft: FormDraft;
};

export function OperationForm({ desk, link, jobs, permits, chosen, draft }: OperationFormProps) {
  const { plugin, operation } = chosen;
  const body = useRef<HTMLDivElement>(null);
  const isStarting = useSignal(false);
  const plan = useMemo(
    () => new RunPlan(desk, plugin.id, operation, draft, jobs.tables),
    [desk, plugin.id, operation, draft, jobs],
  );
  const estimates = useMemo(
    () => new EstimateSource(link, plan.request, jobs.endedCount),
    [link, plan, jobs],
  );
  useEffect(() => () => estimates.dispose(), [estimates]);

  const { changing } = jobs;
  const isOurs = (job: Job | null) =>
    job?.request?.plugin === plugin.id && job.request.operation === operation.name;
  const changed = isOurs(changing.value) ? changing.value : null;
  // Who leaves the form has thought better of it; another one may have been opened to change.
  // biome-ignore lint/correctness/useExhaustiveDependencies: a form is of one operation.
  useEffect(
    () => () => {
      if (isOurs(changing.peek())) changing.value = null;
    },
    [],
  );

  const start = async (anew: boolean) => {
    const { values, problems } = plan.form.peek();
    if (changed) {
      if (problems.size > 0) return false;
      isStarting.value = true;
      if ((await permits.askFor(plugin)) && (await jobs.change(changed, values)))
        changing.value = null;
    } else {
      const request = plan.request.peek();
      if (!request) return false;
      isStarting.value = true;
      if (await permits.askFor(plugin)) await jobs.run(anew ? { ...request, anew } : request);
    }
    isStarting.value = false;
    return true;
  };
  const run = async (anew = false) => {
    if (isStarting.peek()) return;
    if (!(await start(anew))) {
      draft.touch(Object.keys(operation.form.properties));
      // Once the problems are on the page.
      setTimeout(() => {
        body.current?.querySelector(".form-problem")?.scrollIntoView({ block: "nearest" });
        body.current?.querySelector<HTMLElement>("[aria-invalid=true]")?.focus();
      });
    }
  };
  const press = (event: KeyboardEvent) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    void run();
  };
  const isOpen = link.state.value === "open";
  return (
    <form
      class="operation-form"
      aria-label={operation.title}
      onKeyDown={press}
      // Enter ends what one types; a run is asked for by more than that.
      onSubmit={(event) => event.preventDefault()}
    >
      <div class="dock-body" ref={body}>
        <p class="dim">
          {plugin.name} {plugin.version}
        </p>
        {operation.description && <p class="form-about">{operation.description}</p>}
        <Permissions plugin={plugin} permits={permits} />
        {changed ? (
          <Changing job={changed} jobs={jobs} />
        ) : (
          operation.inputs.map((input) => (
            <InputPicker key={input.name} desk={desk} plan={plan} input={input} />
          ))
        )}
        <Parameters plan={plan} />
        {!changed && <RunRegion desk={desk} plan={plan} />}
      </div>
      <footer class="form-footer">
        {!changed && <EstimateLine source={estimates} plan={plan} />}
        <button
          type="button"
          class="run-button"
          title="Run (Ctrl+Enter)"
          disabled={!isOpen || isStarting.value}
          onClick={() => void run()}
        >
          {changed ? "Run with changes" : "Run"}
        </button>
        {plugin.verified && !changed && (
          <button
            type="button"
            class="link-button run-anew"
            title="What it gave for the same input and parameters is kept, and given again by Run."
            disabled={!isOpen || isStarting.value}
            onClick={() => void run(true)}
          >
            Run anew, without the kept result
          </button>
        )}
      </footer>
    </form>
  );
}

function Changing({ job, jobs }: { readonly job: Job; readonly jobs: Jobs }) {
  return (
    <p class="form-changing" role="status">
      <span>
        Changes <b>{job.title}</b>. It runs again on what it ran on, and then whatever took its
        result.
      </span>
      <button
        type="button"
        class="link-button"
        onClick={() => {
          jobs.changing.value = null;
        }}
      >
        Leave it as it is
      </button>
    </p>
  );
}

function Parameters({ plan }: { readonly plan: RunPlan }) {
  const { draft } = plan;
  const { form } = plan.operation;
  const properties = Object.entries(form.properties);
  if (properties.length === 0) return null;
  const { problems } = plan.form.value;
  const { entries, touched } = draft;
  return (
    <section class="parameters" aria-label="Parameters">
      <div class="parameters-header">
        <h3 class="form-heading">Parameters</h3>
        {entries.value.size > 0 && (
          <button type="button" class="link-button" onClick={() => draft.reset()}>
            Reset to defaults
          </button>
        )}
      </div>
      {properties.map(([name, property]) => (
        <FormField
          key={name}
          property={property}
          entry={entryOf(form, entries.value, name)}
          problem={(touched.value.has(name) && problems.get(name)) || null}
          onEnter={(entry) => draft.enter(name, entry)}
          onLeave={() => draft.touch([name])}
        />
      ))}
    </section>
  );
}
