/** A form that a plugin asks to have filled in. */
import type { ComponentChildren } from "preact";
import { useMemo, useRef } from "preact/hooks";
import { FormDraft } from "../../host/form_draft.ts";
import { FormField } from "../../host/form_field.tsx";
import { checkForm, entryOf } from "../../host/form_values.ts";
import type { Form, FormValue } from "../../host/host_service.ts";
import { SafeText } from "../safe_text.tsx";
import type { FormSpec } from "../service.ts";
import { Modal } from "./modal.tsx";

type FormDialogProps = {
  readonly form: FormSpec;
  readonly from: string;
  readonly stop?: ComponentChildren;
  readonly submit?: string;
  readonly answer: (values: Readonly<Record<string, FormValue>> | null) => void;
};

export function FormDialog({ form, from, stop, submit = "OK", answer }: FormDialogProps) {
  const draft = useMemo(() => new FormDraft(), []);
  const fields = useRef<HTMLDivElement>(null);
  const { title, text } = form;
  const schema = useMemo(() => formOf(form), [form]);
  const enter = () => {
    const { values, problems } = checkForm(schema, draft.entries.peek());
    if (problems.size === 0) {
      answer(values);
      return;
    }
    draft.touch(Object.keys(schema.properties));
    // Once the problems are on the page.
    setTimeout(() => fields.current?.querySelector<HTMLElement>("[aria-invalid=true]")?.focus());
  };
  return (
    <Modal title={title || "Form"} from={from} onEnter={enter} onLeave={() => answer(null)}>
      {text && <SafeText text={text} kind="html" />}
      <div ref={fields} class="modal-fields">
        <FormFields form={schema} draft={draft} />
      </div>
      <footer class="modal-end">
        {stop}
        <button type="button" class="button" onClick={() => answer(null)}>
          Cancel
        </button>
        <button type="submit" class="run-button">
          {submit}
        </button>
      </footer>
    </Modal>
  );
}

type FormFieldsProps = { readonly form: Form; readonly draft: FormDraft };

export function FormFields({ form, draft }: FormFieldsProps) {
  const { problems } = checkForm(form, draft.entries.value);
  return (
    <>
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
    </>
  );
}

/** As the form of an operation is written. */
export function formOf({ title, schema }: Pick<FormSpec, "title" | "schema">): Form {
  const properties = Object.fromEntries(
    Object.entries(schema.properties).map(([name, property]) => [
      name,
      { ...property, title: property.title || name },
    ]),
  );
  return { title: schema.title ?? title, properties, required: schema.required ?? [] };
}
