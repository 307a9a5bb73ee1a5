/** Two pictures one above the other, and an edge between them that moves. */
import { useSignal } from "@preact/signals";
import { NO_PICTURE, usePicture } from "./picture_view.tsx";

type CompareViewProps = { readonly data: Readonly<Record<string, unknown>> };

export function CompareView({ data }: CompareViewProps) {
  const share = useSignal(50);
  const first = usePicture(data["first"]);
  const second = usePicture(data["second"]);
  if (first === null || second === null) return <p class="empty">{NO_PICTURE}</p>;
  return (
    <div class="compare">
      <img src={second} alt="Second" draggable={false} />
      <img
        src={first}
        alt="First"
        draggable={false}
        style={{ clipPath: `inset(0 ${100 - share.value}% 0 0)` }}
      />
      <div class="compare-edge" style={{ left: `${share.value}%` }} aria-hidden="true" />
      <input
        type="range"
        class="compare-range"
        aria-label="Edge between the first and the second picture"
        min={0}
        max={100}
        step={0.5}
        value={share.value}
        onInput={(event) => {
          share.value = event.currentTarget.valueAsNumber;
        }}
      />
    </div>
  );
}
