/**
 * Opsin's plugins in a page of others, as ImJoy's core runs them in ImageJ.JS. The server lets in the pages of
 * origins that it was told: `opsin serve --embed ORIGIN` prints the address of this script.
 *
 *   import { loadOpsin } from "http://127.0.0.1:8050/host/TOKEN/opsin_host.js";
 *   const opsin = await loadOpsin({ container: document.querySelector("#plugins") });
 *   const window = await opsin.api.createWindow({ src: "https://my.site/viewer.imjoy.html", data: { … } });
 *
 * `opsin.api` is ImJoy's `api` for the page itself. In scripts that cannot import, `window.opsinHost.loadOpsin`.
 */
import { type LoadOptions, Opsin } from "./embed/opsin.ts";

export type { Opsin };

/** Throws an Error if Opsin cannot be reached. */
export async function loadOpsin(options: LoadOptions = {}): Promise<Opsin> {
  const opsin = new Opsin(new URL(".", import.meta.url), options);
  try {
    await opsin.open();
  } catch (error) {
    opsin.close();
    throw error;
  }
  return opsin;
}

Object.assign(window, { opsinHost: { loadOpsin } });
