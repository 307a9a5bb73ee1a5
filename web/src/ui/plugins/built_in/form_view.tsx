/** A form in a window, whose plugin asks for its values or is called with them. */
import { useSignal } from "@preact/signals";
import { keep } from "../../../rpc/index.ts";
import { sentenceOf } from "../../errors.ts";
import { FormDraft } from "../../host/form_draft.ts";
import { checkForm } from "../../host/form_values.ts";
import type { FormProperty } from "../../host/host_service.ts";
import { FormFields, formOf } from "../dialogs/form_dialog.tsx";
import { SafeText } from "../safe_text.tsx";
import type { BuiltIn, FormSpec } from "../service.ts";
import { fieldsOf } from "./carried.ts";

type Submitted = (values: unknown) => unknown;
type Spec = FormSpec & { readonly submitted: Submitted | null };

/** What a form window holds; `data` has `schema` (as in `HOST.md`), `text`, and `callback`. */
export function formWindow({ title, data, form, ui }: BuiltIn) {
  const { callback } = fieldsOf(data);
  const { schema, text = ui } = form ?? fieldsOf(data);
  const { properties } = fieldsOf(schema);
  const spec: Spec = {
    title,
    text: typeof text === "string" ? text : "",
    schema: { properties: fieldsOf(properties) as Readonly<Record<string, FormProperty>> },
    submitted: typeof callback === "function" ? keep(callback as Submitted) : null,
  };
  const draft = new FormDraft();
  const values = () => checkForm(formOf(spec), draft.entries.peek()).values;
  return {
    spec,
    draft,
    functions: { setup: () => null, run: values, get_values: values, getValues: values },
  };
}

type FormViewProps = { readonly spec: Spec; readonly draft: FormDraft };

export function FormView({ spec, draft }: FormViewProps) {
  const form = formOf(spec);
  const failure = useSignal("");
  const submit = async () => {
    const { values, problems } = checkForm(form, draft.entries.peek());
    if (problems.size > 0) draft.touch(Object.keys(form.properties));
    else {
      try {
        await spec.submitted?.(values);
        failure.value = "";
      } catch (error) {
        failure.value = sentenceOf(error);
      }
    }
  };
  return (
    <form
      class="window-page"
      aria-label={spec.title}
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      {spec.text && <SafeText text={spec.text} kind="html" />}
      <FormFields form={form} draft={draft} />
      {failure.value && (
        <p class="form-problem" role="alert">
          {failure.value}
        </p>
      )}
      {spec.submitted && (
        <footer class="modal-end">
          <button type="submit" class="run-button">
            OK
          </button>
        </footer>
      )}
    </form>
  );
}
