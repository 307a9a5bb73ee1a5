/** The form of an ImJoy plugin (its `ui`), the images that it is given, and how it is run: on the desk. */
import { useMemo, useRef } from "preact/hooks";
import type { Desk } from "../desk.ts";
import type { PluginsParts } from "../plugins/plugins_parts.ts";
import { carriedFile } from "./file_inputs.ts";
import { FilePicker } from "./file_picker.tsx";
import type { FormDraft } from "./form_draft.ts";
import { FormField } from "./form_field.tsx";
import { entryOf } from "./form_values.ts";
import type { RunRequest } from "./host_service.ts";
import { InputPicker } from "./input_picker.tsx";
import { LoadedLine } from "./loaded_line.tsx";
import { Permissions } from "./permissions.tsx";
import type { Permits } from "./permits.ts";
import type { Chosen } from "./plugin_shelf.ts";
import { RunPlan } from "./run_plan.ts";
import { RunRegion } from "./run_region.tsx";

type ImjoyFormProps = {
  readonly desk: Desk;
  readonly chosen: Chosen;
  readonly draft: FormDraft;
  readonly permits: Permits;
  readonly plugins: PluginsParts | null;
  readonly isOpen: boolean;
};

export function ImjoyForm({ desk, chosen, draft, permits, plugins, isOpen }: ImjoyFormProps) {
  const { plugin, operation } = chosen;
  const { form } = operation;
  const body = useRef<HTMLDivElement>(null);
  const plan = useMemo(
    () => new RunPlan(desk, plugin.id, operation, draft, undefined, true),
    [desk, plugin.id, operation, draft],
  );
  const { problems } = plan.form.value;
  const run = async () => {
    const { values, problems } = plan.form.peek();
    if (problems.size > 0) {
      draft.touch(Object.keys(form.properties));
      setTimeout(() => body.current?.querySelector<HTMLElement>("[aria-invalid=true]")?.focus());
      return;
    }
    if (await permits.askFor(plugin))
      await plugins?.run(plugin.id, plugin.name, {
        config: values,
        ...imagesOf(plan.request.peek()),
        ...(await filesOf(draft)),
      });
  };
  const loaded = plugins?.loaded.value.filter((one) => one.plugin === plugin.id) ?? [];
  return (
    <form
      class="operation-form"
      aria-label={operation.title}
      onKeyDown={(event) => {
        if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
        event.preventDefault();
        void run();
      }}
      onSubmit={(event) => event.preventDefault()}
    >
      <div class="dock-body" ref={body}>
        <p class="dim">
          ImJoy · {plugin.kind} {plugin.version}
        </p>
        {operation.description && <p class="form-about">{operation.description}</p>}
        <Permissions plugin={plugin} permits={permits} />
        {plugins && loaded.map((one) => <LoadedLine key={one.id} loaded={one} plugins={plugins} />)}
        {operation.inputs.map((input) => (
          <InputPicker key={input.name} desk={desk} plan={plan} input={input} />
        ))}
        {operation.files?.map((input) => (
          <FilePicker key={input.name} draft={draft} input={input} />
        ))}
        {Object.entries(form.properties).map(([name, property]) => (
          <FormField
            key={name}
            property={property}
            entry={entryOf(form, draft.entries.value, name)}
            problem={(draft.touched.value.has(name) && problems.get(name)) || null}
            onEnter={(entry) => draft.enter(name, entry)}
            onLeave={() => draft.touch([name])}
          />
        ))}
        <RunRegion desk={desk} plan={plan} isOneCall />
      </div>
      <footer class="form-footer">
        <button
          type="button"
          class="run-button"
          title="Run (Ctrl+Enter)"
          disabled={!isOpen || !plugins}
          onClick={() => void run()}
        >
          Run
        </button>
      </footer>
    </form>
  );
}

/** The files that were chosen, as a plugin gets them. */
async function filesOf(draft: FormDraft) {
  const files = [...draft.files.peek()];
  if (files.length === 0) return {};
  const carried = files.map(async ([name, file]) => [name, await carriedFile(file)] as const);
  return { data: Object.fromEntries(await Promise.all(carried)) };
}

/** The layers that were chosen, as the desk takes them. */
function imagesOf(request: RunRequest | null) {
  if (!request) return {};
  const { inputs, where, axes } = request;
  const shown = where.region === "whole" ? { ...where, slices: "shown" as const } : where;
  const image = Object.entries(inputs).map(([name, layer]) => ({
    name,
    layer,
    where: shown,
    ...(axes ? { axes } : {}),
  }));
  return image.length > 0 ? { image } : {};
}
