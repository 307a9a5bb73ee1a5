/** Lets a fake host do as if it ran jobs: packages, steps, a result or an error. */
import type { Job } from "../../src/ui/host/host_service.ts";
import type { Scene } from "../../src/viewer/types.ts";
import { FAILURE, type FakeHost } from "./fake_host.ts";
import type { FakeViewer } from "./fake_viewer.ts";
import { layer, RESULT } from "./scenes.ts";

const STEPS = ["threshold", "fill holes", "measure", "find middles", "split", "clean"];
const STEP_MS = 500;

export function pretend(host: FakeHost, viewer: FakeViewer): void {
  let all: Scene = viewer.scene ?? { layers: [], opening: 0, notices: [] };
  const hidden = new Set<number>();
  const show = () =>
    viewer.show({ ...all, layers: all.layers.filter(({ id }) => !hidden.has(id)) });
  host.onLayer = (id, isThere) => {
    if (isThere) hidden.delete(id);
    else hidden.add(id);
    show();
  };
  host.onRun = (job) => {
    const start = performance.now();
    let step = -3;
    const timer = setInterval(() => {
      step += 1;
      const seconds = (performance.now() - start) / 1000;
      const now = host.job(job.id);
      if (now?.state === "cancelled" || step > STEPS.length) {
        clearInterval(timer);
        if (now?.state === "cancelled") return;
        const id = 100 + Number(job.id);
        all = { ...all, layers: [...all.layers, layer(id, `${job.title} ${job.id}`, RESULT)] };
        show();
        const path = `~/.local/share/opsin/workspaces/plate-12/results/nuclei-${job.id}.ome.zarr`;
        const places = [{ name: "nuclei", path }];
        host.changeJob(job.id, {
          state: "done",
          seconds,
          layers: [id],
          log: ["412 nuclei"],
          places,
        });
      } else if (fails(job) && step === 3) {
        clearInterval(timer);
        host.changeJob(job.id, {
          state: "failed",
          seconds,
          error: FAILURE,
          log: ["threshold 0.12"],
        });
      } else if (step < 0) {
        const log = [...(now?.log ?? []), `Downloading scikit-image (${-step} of 2)`];
        host.changeJob(job.id, { state: "preparing", seconds, log, text: "installing packages" });
      } else {
        const text = STEPS[step] ?? "";
        const state = step === STEPS.length ? "writing" : "running";
        host.changeJob(job.id, { state, done: step, total: STEPS.length, text, seconds });
      }
    }, STEP_MS);
  };
}

function fails({ request }: Job): boolean {
  return Number(request?.parameters["sigma"]) > 15;
}
