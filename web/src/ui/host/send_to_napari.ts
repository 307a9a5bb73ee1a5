/** Shows a layer in the napari that runs beside the host, and says what came of it. */
import type { Layer } from "../../viewer/types.ts";
import { sentenceOf } from "../errors.ts";
import type { Notices } from "../notices.ts";
import type { HostLink } from "./host_link.ts";

export async function sendToNapari(link: HostLink, notices: Notices, layer: Layer): Promise<void> {
  try {
    const names = await link.host.send_to_napari(layer.id);
    const shown = names.map((name) => `“${name}”`).join(" and ");
    notices.add({ severity: "info", text: `${shown} is open in napari.` });
  } catch (error) {
    notices.add({ severity: "warning", text: sentenceOf(error) });
  }
}
