/** Windows that show text. */
import type { ReadonlySignal, Signal } from "@preact/signals";
import { SafeText } from "../safe_text.tsx";

export function MarkdownView({ text }: { readonly text: string }) {
  return (
    <div class="window-page">
      <SafeText text={text} kind="markdown" />
    </div>
  );
}

export function ValueView({ text }: { readonly text: string }) {
  return <pre class="window-page window-data">{text}</pre>;
}

export function LinesView({ lines }: { readonly lines: ReadonlySignal<readonly string[]> }) {
  return <pre class="window-page window-data">{lines.value.join("\n")}</pre>;
}

export function CodeView({ text }: { readonly text: Signal<string> }) {
  return (
    <textarea
      class="window-code"
      aria-label="Code"
      spellcheck={false}
      value={text.value}
      onInput={(event) => {
        text.value = event.currentTarget.value;
      }}
    />
  );
}
