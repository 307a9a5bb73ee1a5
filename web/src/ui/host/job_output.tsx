/** What a job left to read: the traceback of its error, and what it printed. */
import { type Signal, useSignal } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";
import { Icon, IconButton } from "../icons.tsx";
import type { Notices } from "../notices.ts";
import { copyText } from "./copy_text.ts";
import type { Job } from "./host_service.ts";

type Name = "traceback" | "log";
type JobOutputProps = { readonly job: Job; readonly notices: Notices };

export function JobOutput({ job, notices }: JobOutputProps) {
  const open = useSignal<Name | null>(null);
  const traceback = job.error?.traceback.trim() ?? "";
  const log = job.log.join("\n");
  if (traceback === "" && log === "") return null;
  const text = open.value === "traceback" ? traceback : log;
  return (
    <div class="job-output">
      <div class="job-output-tabs">
        {traceback !== "" && <OpenButton name="traceback" title="Traceback" open={open} />}
        {log !== "" && <OpenButton name="log" title="Log" open={open} />}
        {open.value && (
          <IconButton
            icon="copy"
            label={`Copy ${open.value}`}
            onClick={() => void copyText(text, open.value ?? "log", notices)}
          />
        )}
        {open.value === "log" && <SaveLog job={job} />}
      </div>
      {open.value && <Text text={text} label={open.value === "log" ? "Log" : "Traceback"} />}
    </div>
  );
}

/** All of it: what is shown are its newest lines. */
function SaveLog({ job }: { readonly job: Job }) {
  return (
    <a
      class="icon-button"
      href={`/api/jobs/${job.id}/log`}
      download
      aria-label="Save log"
      title="Save the whole log"
    >
      <Icon name="save" />
    </a>
  );
}

type OpenButtonProps = {
  readonly name: Name;
  readonly title: string;
  readonly open: Signal<Name | null>;
};

function OpenButton({ name, title, open }: OpenButtonProps) {
  const isOpen = open.value === name;
  return (
    <button
      type="button"
      class="link-button disclosure"
      aria-expanded={isOpen}
      onClick={() => {
        open.value = isOpen ? null : name;
      }}
    >
      <Icon name="chevron" />
      {title}
    </button>
  );
}

/** The end is what one wants to read: the error in a traceback, the newest in a log. */
function Text({ text, label }: { readonly text: string; readonly label: string }) {
  const box = useRef<HTMLElement>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: whenever there is more of it.
  useLayoutEffect(() => {
    if (box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [text]);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, also by keys.
    <section ref={box} class="job-text" aria-label={label} tabIndex={0}>
      <pre>{text}</pre>
    </section>
  );
}
