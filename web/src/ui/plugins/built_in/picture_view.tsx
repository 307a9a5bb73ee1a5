/** A picture: as a whole, or closer with the wheel and the pointer. */
import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { clamp } from "../../numbers.ts";
import { blobOf, isPicture } from "./carried.ts";

type PictureViewProps = { readonly data: Readonly<Record<string, unknown>> };

const CLOSEST = 64;

export function PictureView({ data }: PictureViewProps) {
  const zoom = useSignal(1);
  const at = useSignal({ x: 0, y: 0 });
  const last = useRef({ x: 0, y: 0 });
  const source = usePicture(data["src"]);
  if (source === null) return <p class="empty">{NO_PICTURE}</p>;
  const reset = () => {
    zoom.value = 1;
    at.value = { x: 0, y: 0 };
  };
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: a closer look, with the pointer alone.
    <div
      class="picture"
      onWheel={(event) => {
        event.preventDefault();
        const box = event.currentTarget.getBoundingClientRect();
        const next = clamp(zoom.peek() * 2 ** (-event.deltaY / 240), 1, CLOSEST);
        const grown = next / zoom.peek();
        const x = event.clientX - box.left - box.width / 2;
        const y = event.clientY - box.top - box.height / 2;
        const { x: left, y: top } = at.peek();
        at.value =
          next === 1 ? { x: 0, y: 0 } : { x: x - (x - left) * grown, y: y - (y - top) * grown };
        zoom.value = next;
      }}
      onDblClick={reset}
      onPointerDown={(event) => {
        event.preventDefault();
        event.currentTarget.setPointerCapture(event.pointerId);
        last.current = { x: event.clientX, y: event.clientY };
      }}
      onPointerMove={(event) => {
        if (!event.currentTarget.hasPointerCapture(event.pointerId)) return;
        const { clientX: x, clientY: y } = event;
        at.value = { x: at.peek().x + x - last.current.x, y: at.peek().y + y - last.current.y };
        last.current = { x, y };
      }}
    >
      <img
        src={source}
        alt={String(data["name"] ?? "From the plugin")}
        draggable={false}
        style={{
          transform: `translate(${at.value.x}px, ${at.value.y}px) scale(${zoom.value})`,
          imageRendering: zoom.value > 2 ? "pixelated" : "auto",
        }}
      />
    </div>
  );
}

export const NO_PICTURE =
  "There is no picture to show: a plugin gives one as a data address or as bytes (data.src).";

/** An address that the page may show; null: there is none. */
export function usePicture(source: unknown): string | null {
  const made = useMemo(() => {
    if (typeof source === "string") return null;
    try {
      return source === undefined || source === null
        ? null
        : URL.createObjectURL(blobOf(source, "image/png"));
    } catch {
      return null;
    }
  }, [source]);
  useEffect(() => () => void (made && URL.revokeObjectURL(made)), [made]);
  if (typeof source !== "string") return made;
  return isPicture(source) || isOwn(source) ? source : null;
}

/** Whether it lies on the page's own server. */
function isOwn(address: string): boolean {
  try {
    return new URL(address, location.href).origin === location.origin;
  } catch {
    return false;
  }
}
