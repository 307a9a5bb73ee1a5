/** The server's HTTP interface, beside the view stream. */
import { type Histogram, LinkExpired, type Server } from "./ui/server.ts";
import type { ViewState } from "./ui/view_state.ts";

const COLORMAP_BYTES = 768;

export class Api implements Server {
  /** Address of the view stream, for the viewer: it tells a server that was started anew what this page opens. */
  readonly stream = `/api/stream${opened(location.search)}`;

  /** Address of the host's RPC. */
  get rpc(): URL {
    const address = new URL("/api/rpc", location.href);
    address.protocol = address.protocol.replace(/^http/, "ws");
    return address;
  }

  async colormaps(): Promise<Readonly<Record<string, Uint8Array>>> {
    return colourTables(await request("/api/colormaps"));
  }

  async histogram(
    layer: number,
    position: Readonly<Record<string, number>>,
    signal: AbortSignal,
  ): Promise<Histogram> {
    const query = encodeURIComponent(JSON.stringify(position));
    const answer = await request(`/api/layers/${layer}/histogram?position=${query}`, { signal });
    return answer as Histogram;
  }

  savedView(): Promise<unknown> {
    return request("/api/view");
  }

  async saveView(state: ViewState): Promise<void> {
    await request("/api/view", {
      method: "PUT",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(state),
      // The last change is often followed by closing the page.
      keepalive: true,
    });
  }

  async showFile(file: File): Promise<readonly number[]> {
    const path = `/api/files/${encodeURIComponent(file.name)}`;
    const answer = await request(path, { method: "PUT", body: file });
    const { layers, refused } = answer as { layers: number[]; refused: string };
    if (refused !== "") throw new Error(refused);
    return layers;
  }
}

/** Of the query of a page's address what names images, as a query. */
function opened(query: string): string {
  const names = new URLSearchParams(query).getAll("open");
  return names.length ? `?${new URLSearchParams(names.map((name) => ["open", name]))}` : "";
}

/** Colour tables by name, as a server sends them: base64 of 256 × RGB. */
export function colourTables(tables: unknown): Readonly<Record<string, Uint8Array>> {
  if (typeof tables !== "object" || tables === null) throw new Error("no colour maps came");
  const decoded = Object.entries(tables).map(([name, text]): [string, Uint8Array] => {
    const bytes = bytesOf(String(text));
    if (bytes.length !== COLORMAP_BYTES) {
      throw new Error(`the colour map “${name}” has ${bytes.length} bytes, not ${COLORMAP_BYTES}`);
    }
    return [name, bytes];
  });
  return Object.fromEntries(decoded);
}

/** JSON from the server. An error says the server's sentence where it gave one. */
async function request(path: string, options?: RequestInit): Promise<unknown> {
  let response: Response;
  try {
    response = await fetch(path, { credentials: "same-origin", ...options });
  } catch (error) {
    if (options?.signal?.aborted) throw error;
    throw new Error("The server does not answer.");
  }
  if (response.status === 401) throw new LinkExpired("this link has expired");
  const text = await response.text();
  const json = parsed(text);
  if (response.ok) return json;
  const sentence = (json as { error?: unknown } | null)?.error;
  throw new Error(
    typeof sentence === "string" ? sentence : `The server answered ${response.status}.`,
  );
}

function parsed(text: string): unknown {
  if (text === "") return null;
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function bytesOf(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}
