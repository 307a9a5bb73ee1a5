/** Asks the user whether a plugin may use what it asks for. */
import { useSignal } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";
import type { Answer, Permission } from "./host_service.ts";
import { WHAT } from "./permissions.tsx";
import type { Permits, Question } from "./permits.ts";

export function PermissionDialog({ permits }: { readonly permits: Permits }) {
  const question = permits.question.value;
  if (!question) return null;
  const names = question.permissions.map(({ name }) => name).join();
  return <Asking key={`${question.plugin.id} ${question.plugin.terms} ${names}`} {...question} />;
}

function Asking({ plugin, permissions, settle }: Question) {
  const dialog = useRef<HTMLDialogElement>(null);
  // With one thing to decide, the button is the decision.
  const isOne = permissions.length === 1;
  const chosen = useSignal<ReadonlySet<string>>(new Set(isOne ? [permissions[0]?.name ?? ""] : []));
  const folders = useSignal("");
  useLayoutEffect(() => dialog.current?.showModal(), []);
  const paths = folders.value
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
  const lacksFolder = chosen.value.has("files") && paths.length === 0;
  const answerTo = ({ name }: Permission): Answer => {
    if (!chosen.peek().has(name)) return false;
    return name === "files" ? paths : true;
  };
  const allow = () =>
    settle(Object.fromEntries(permissions.map((one) => [one.name, answerTo(one)])));
  const refuse = () => settle(Object.fromEntries(permissions.map(({ name }) => [name, false])));
  const toggle = (name: string) => {
    const next = new Set(chosen.peek());
    if (!next.delete(name)) next.add(name);
    chosen.value = next;
  };
  return (
    <dialog
      ref={dialog}
      class="asking"
      aria-labelledby="asking-title"
      aria-describedby="asking-about"
      onClose={() => settle(null)}
    >
      <form
        class="asking-body"
        method="dialog"
        onSubmit={(event) => {
          event.preventDefault();
          if (chosen.peek().size > 0 && !lacksFolder) allow();
        }}
      >
        <h2 id="asking-title">
          What may “{plugin.name}
          {plugin.version && ` ${plugin.version}`}” use?
        </h2>
        <p id="asking-about" class="dim">
          It is a program that somebody else wrote. What you do not allow, it runs without.
        </p>
        <ul class="asking-list">
          {permissions.map(({ name, reason }) => (
            <li key={name}>
              <Choice
                name={name}
                reason={reason}
                isOne={isOne}
                isChosen={chosen.value.has(name)}
                onToggle={() => toggle(name)}
              />
              {name === "files" && chosen.value.has(name) && (
                <textarea
                  class="text asking-folders"
                  aria-label="Folders that it may read, one a line"
                  placeholder="/data/models"
                  spellcheck={false}
                  rows={2}
                  value={folders.value}
                  onInput={({ currentTarget }) => {
                    folders.value = currentTarget.value;
                  }}
                />
              )}
            </li>
          ))}
        </ul>
        <p class="asking-end">
          <button type="button" class="button" onClick={refuse}>
            Not now
          </button>
          <button
            type="submit"
            class="run-button"
            disabled={chosen.value.size === 0 || lacksFolder}
          >
            Allow
          </button>
        </p>
      </form>
    </dialog>
  );
}

type ChoiceProps = {
  readonly name: string;
  readonly reason: string;
  readonly isOne: boolean;
  readonly isChosen: boolean;
  readonly onToggle: () => void;
};

function Choice({ name, reason, isOne, isChosen, onToggle }: ChoiceProps) {
  const text = (
    <span>
      <span class="permission-what">{WHAT[name] ?? name}</span>
      <span class="dim">{reason ? `: ${reason}` : ", for no reason that it names"}</span>
      <span class="asking-meaning">{MEANING[name]}</span>
    </span>
  );
  if (isOne) return <p class="asking-choice">{text}</p>;
  return (
    <label class="asking-choice">
      <input type="checkbox" checked={isChosen} onChange={onToggle} />
      {text}
    </label>
  );
}

const MEANING: Readonly<Record<string, string>> = {
  files: "It can read what is in the folders that you name, and change nothing there.",
  gpu: "It can use it to compute.",
  network: "It can send what it gets, images too, to any computer.",
};
