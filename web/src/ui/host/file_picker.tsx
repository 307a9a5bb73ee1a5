/** Which file a plugin is given for an input. */
import { useId, useRef } from "preact/hooks";
import { IconButton } from "../icons.tsx";
import { acceptOf } from "./file_inputs.ts";
import type { FormDraft } from "./form_draft.ts";
import type { FileInput } from "./host_service.ts";

type FilePickerProps = { readonly draft: FormDraft; readonly input: FileInput };

export function FilePicker({ draft, input }: FilePickerProps) {
  const id = useId();
  const field = useRef<HTMLInputElement>(null);
  const chosen = draft.files.value.get(input.name);
  return (
    <div class="form-field">
      <div class="form-line">
        <label class="form-label" for={id} title={input.title}>
          {input.title}
        </label>
        <button
          id={id}
          type="button"
          class="button file-choose"
          title={chosen?.name ?? "No file"}
          onClick={() => field.current?.click()}
        >
          {chosen?.name ?? "Choose a file …"}
        </button>
        {chosen && (
          <IconButton
            icon="close"
            label={`No file for ${input.title}`}
            onClick={() => draft.chooseFile(input.name, null)}
          />
        )}
      </div>
      <input
        ref={field}
        type="file"
        accept={acceptOf(input)}
        aria-label={`File for ${input.title}`}
        hidden
        onChange={(event) => {
          const [file] = event.currentTarget.files ?? [];
          if (file) draft.chooseFile(input.name, file);
          event.currentTarget.value = "";
        }}
      />
    </div>
  );
}
