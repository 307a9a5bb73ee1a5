/** Notices over the canvas, and the banner that says that the server is away. */
import type { ConnectionState } from "../viewer/types.ts";
import { Icon, IconButton } from "./icons.tsx";
import type { Notices, ShownNotice } from "./notices.ts";

export function NoticeList({ notices }: { readonly notices: Notices }) {
  return (
    <section class="notices" aria-label="Notices">
      {notices.shown.value.map((notice) => (
        <div
          key={notice.key}
          class={`notice notice-${notice.severity}`}
          role={notice.severity === "error" ? "alert" : "status"}
          onPointerEnter={() => notices.hold(notice.key)}
          onPointerLeave={() => notices.release(notice.key)}
        >
          {notice.severity !== "info" && <Icon name="warning" />}
          <p class="notice-text">{notice.text}</p>
          {notice.action && <ActionButton notices={notices} notice={notice} />}
          <IconButton icon="close" label="Dismiss" onClick={() => notices.dismiss(notice.key)} />
        </div>
      ))}
    </section>
  );
}

type ActionButtonProps = { readonly notices: Notices; readonly notice: ShownNotice };

function ActionButton({ notices, notice }: ActionButtonProps) {
  return (
    <button
      type="button"
      class="button notice-action"
      onClick={() => {
        notices.dismiss(notice.key);
        notice.action?.run();
      }}
    >
      {notice.action?.label}
    </button>
  );
}

export function ConnectionBanner({ connection }: { readonly connection: ConnectionState }) {
  if (connection === "lost") {
    return (
      <div class="banner" role="alert">
        <span class="spinner" aria-hidden="true" />
        <span>Connection lost. What is loaded stays; trying again …</span>
      </div>
    );
  }
  if (connection !== "closed") return null;
  return (
    <div class="banner" role="alert">
      <span>The server closed this view.</span>
      <button type="button" class="button" onClick={() => location.reload()}>
        Open it again
      </button>
    </div>
  );
}
