/** A modal dialog: it keeps the focus, Escape leaves it, and what is behind it waits. */
import type { ComponentChildren } from "preact";
import { useId, useLayoutEffect, useRef } from "preact/hooks";

type ModalProps = {
  readonly title: string;
  /** Whose words these are. */
  readonly from: string;
  readonly class?: string;
  readonly children: ComponentChildren;
  readonly onEnter: () => void;
  readonly onLeave: () => void;
};

export function Modal({ title, from, class: more, children, onEnter, onLeave }: ModalProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useLayoutEffect(() => {
    const before = document.activeElement;
    const element = dialog.current;
    element?.showModal();
    element?.querySelector<HTMLElement>("[data-first]")?.focus();
    return () => {
      element?.close();
      if (before instanceof HTMLElement) before.focus({ preventScroll: true });
    };
  }, []);
  return (
    <dialog
      ref={dialog}
      class={`modal ${more ?? ""}`}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        onLeave();
      }}
    >
      <form
        class="modal-body"
        method="dialog"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          onEnter();
        }}
      >
        <header class="modal-header">
          <h2 id={id}>{title}</h2>
          <p class="modal-from">{from}</p>
        </header>
        {children}
      </form>
    </dialog>
  );
}
