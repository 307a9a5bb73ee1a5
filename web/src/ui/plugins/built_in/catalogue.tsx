/** The windows of Opsin's own that plugins can open (ImJoy's `imjoy/…` and `generic` types). */
import { signal } from "@preact/signals";
import type { VNode } from "preact";
import type { BuiltIn } from "../service.ts";
import { AddressView } from "./address_view.tsx";
import { fieldsOf, valueText } from "./carried.ts";
import { CompareView } from "./compare_view.tsx";
import { FormView, formWindow } from "./form_view.tsx";
import { PictureView } from "./picture_view.tsx";
import { CodeView, LinesView, MarkdownView, ValueView } from "./text_views.tsx";

type Content = Readonly<Record<string, unknown>>;
export type BuiltInView = {
  readonly View: () => VNode;
  /** What the plugin that has opened it can call. */
  readonly functions: Readonly<Record<string, (...args: never[]) => unknown>>;
};
type Make = (window: BuiltIn) => BuiltInView;

/** Throws an Error that names those that there are. */
export function builtIn(window: BuiltIn): BuiltInView {
  const make = KINDS[window.type];
  if (make) return make(window);
  const known = Object.keys(KINDS).join(", ");
  throw new Error(`There is no window of type “${window.type}” here. There are: ${known}.`);
}

/** One that shows its data, and other data when it is run again. */
function showing(view: (data: Content) => VNode): Make {
  return ({ data }) => {
    const shown = signal<Content>(fieldsOf(data));
    const Content = () => view(shown.value);
    return {
      View: () => <Content />,
      functions: {
        setup: () => null,
        run: (context: unknown) => {
          const next = fieldsOf(fieldsOf(context)["data"]);
          if (Object.keys(next).length > 0) shown.value = { ...shown.peek(), ...next };
          return null;
        },
      },
    };
  };
}

const log: Make = ({ data }) => {
  const { log: given, lines: others } = fieldsOf(data);
  const first = given ?? others ?? [];
  const lines = signal<readonly string[]>((Array.isArray(first) ? first : [first]).map(textOf));
  const add = (...items: readonly unknown[]) => {
    lines.value = [...lines.peek(), items.map(textOf).join(" ")].slice(-2_000);
    return null;
  };
  return {
    View: () => <LinesView lines={lines} />,
    functions: { setup: () => null, run: () => null, log: add, add },
  };
};

const code: Make = ({ data }) => {
  const { code: given, source, value } = fieldsOf(data);
  const text = signal(textOf(given ?? source ?? value ?? ""));
  return {
    View: () => <CodeView text={text} />,
    functions: {
      setup: () => null,
      run: () => null,
      getValue: () => text.peek(),
      setValue: (next: unknown) => {
        text.value = textOf(next);
        return null;
      },
    },
  };
};

const form: Make = (window) => {
  const { draft, spec, functions } = formWindow(window);
  return { View: () => <FormView draft={draft} spec={spec} />, functions };
};

const picture = showing((data) => <PictureView data={data} />);
const data = showing((shown) => <ValueView text={valueText(shown)} />);

const KINDS: Readonly<Record<string, Make>> = {
  "imjoy/image": picture,
  "imjoy/image-compare": showing((shown) => <CompareView data={shown} />),
  "imjoy/markdown": showing(({ source }) => <MarkdownView text={textOf(source ?? "")} />),
  "imjoy/joy": form,
  "imjoy/schema-io": form,
  "schema-io": form,
  "imjoy/log": log,
  "imjoy/code": code,
  "imjoy/plugin-editor": code,
  "imjoy/url": showing(({ url, src }) => <AddressView address={textOf(url ?? src ?? "")} />),
  "imjoy/generic": data,
  "imjoy/panel": data,
  generic: data,
  panel: data,
};

function textOf(value: unknown): string {
  return typeof value === "string" ? value : valueText(value);
}
