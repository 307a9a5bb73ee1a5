/** The form of an ImJoy plugin (its `ui`), and how it is run: on the desk, not as a job. */
import { useRef } from "preact/hooks";
import type { PluginsParts } from "../plugins/plugins_parts.ts";
import type { FormDraft } from "./form_draft.ts";
import { FormField } from "./form_field.tsx";
import { checkForm, entryOf } from "./form_values.ts";
import { LoadedLine } from "./loaded_line.tsx";
import { Permissions } from "./permissions.tsx";
import type { Permits } from "./permits.ts";
import type { Chosen } from "./plugin_shelf.ts";

type ImjoyFormProps = {
  readonly chosen: Chosen;
  readonly draft: FormDraft;
  readonly permits: Permits;
  readonly plugins: PluginsParts | null;
  readonly isOpen: boolean;
};

export function ImjoyForm({ chosen, draft, permits, plugins, isOpen }: ImjoyFormProps) {
  const { plugin, operation } = chosen;
  const { form } = operation;
  const body = useRef<HTMLDivElement>(null);
  const { problems } = checkForm(form, draft.entries.value);
  const run = async () => {
    const { values, problems } = checkForm(form, draft.entries.peek());
    if (problems.size > 0) {
      draft.touch(Object.keys(form.properties));
      setTimeout(() => body.current?.querySelector<HTMLElement>("[aria-invalid=true]")?.focus());
      return;
    }
    if (await permits.askFor(plugin))
      await plugins?.run(plugin.id, plugin.name, { config: values });
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
