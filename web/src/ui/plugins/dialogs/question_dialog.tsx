/** Shows the question that waits longest. */
import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { SafeText } from "../safe_text.tsx";
import type { Asked, Told } from "../service.ts";
import { FileDialog } from "./file_dialog.tsx";
import type { Folders } from "./folders.ts";
import { FormDialog } from "./form_dialog.tsx";
import { Modal } from "./modal.tsx";
import type { Question, Questions } from "./questions.ts";

type QuestionDialogProps = {
  readonly questions: Questions;
  readonly folders: Folders;
  readonly onStop: (plugin: string) => void;
};

export function QuestionDialog({ questions, folders, onStop }: QuestionDialogProps) {
  const [question] = questions.waiting.value;
  if (!question) return null;
  const { key, about } = question;
  const answer = (value: unknown) => questions.answer(key, value);
  const more = questions.asksOften(about.id) && (
    <button type="button" class="button modal-stop" onClick={() => onStop(about.id)}>
      Stop {about.name}
    </button>
  );
  const from = about.id === "" ? about.name : `Plugin “${about.name}”`;
  const shown = { question, folders, from, stop: more, answer };
  return <Shown key={key} {...shown} />;
}

type ShownProps = {
  readonly question: Question;
  readonly folders: Folders;
  readonly from: string;
  readonly stop: ComponentChildren;
  readonly answer: (value: unknown) => void;
};

function Shown({ question, folders, from, stop, answer }: ShownProps) {
  switch (question.kind) {
    case "alert":
      return <AlertDialog told={question.told} from={from} stop={stop} answer={answer} />;
    case "confirm":
      return <ConfirmDialog told={question.told} from={from} stop={stop} answer={answer} />;
    case "prompt":
      return <PromptDialog asked={question.asked} from={from} stop={stop} answer={answer} />;
    case "form":
      return <FormDialog form={question.form} from={from} stop={stop} answer={answer} />;
    case "files":
      return (
        <FileDialog
          wish={question.wish}
          folders={folders}
          from={from}
          stop={stop}
          answer={answer}
        />
      );
  }
}

type Common = Omit<ShownProps, "question" | "folders">;

function AlertDialog({ told, from, stop, answer }: Common & { readonly told: Told }) {
  return (
    <Modal
      title={told.title || "Message"}
      from={from}
      onEnter={() => answer(true)}
      onLeave={() => answer(true)}
    >
      <SafeText text={told.content} kind="html" />
      <footer class="modal-end">
        {stop}
        <button type="submit" class="run-button" data-first>
          OK
        </button>
      </footer>
    </Modal>
  );
}

function ConfirmDialog({ told, from, stop, answer }: Common & { readonly told: Told }) {
  return (
    <Modal
      title={told.title || "Question"}
      from={from}
      onEnter={() => answer(true)}
      onLeave={() => answer(false)}
    >
      <SafeText text={told.content} kind="html" />
      <footer class="modal-end">
        {stop}
        <button type="button" class="button" onClick={() => answer(false)}>
          No
        </button>
        <button type="submit" class="run-button" data-first>
          Yes
        </button>
      </footer>
    </Modal>
  );
}

function PromptDialog({ asked, from, stop, answer }: Common & { readonly asked: Asked }) {
  const text = useSignal(asked.value ?? "");
  const title = asked.title || "Question";
  return (
    <Modal
      title={title}
      from={from}
      onEnter={() => answer(text.peek())}
      onLeave={() => answer(null)}
    >
      <SafeText text={asked.content} kind="html" />
      <input
        type="text"
        class="text"
        aria-label={plainText(asked.content) || title}
        placeholder={asked.placeholder ?? ""}
        autocomplete="off"
        data-first
        value={text.value}
        onInput={(event) => {
          text.value = event.currentTarget.value;
        }}
      />
      <footer class="modal-end">
        {stop}
        <button type="button" class="button" onClick={() => answer(null)}>
          Cancel
        </button>
        <button type="submit" class="run-button">
          OK
        </button>
      </footer>
    </Modal>
  );
}

function plainText(html: string): string {
  return html
    .replace(/<[^>]*>/g, " ")
    .replace(/\s+/g, " ")
    .trim();
}
