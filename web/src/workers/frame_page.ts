/** The iframe of a plugin: an opaque origin, and no more rights than it was given. */
import type { FramePlaces, FrameSpec } from "./frame_spec.ts";

const ALWAYS = [
  "allow-scripts",
  "allow-forms",
  "allow-modals",
  "allow-downloads",
  "allow-pointer-lock",
];
/** A new window can go anywhere, and take with it what the plugin has seen. */
const WITH_NETWORK = ["allow-popups"];

/** Permissions of ImJoy that browsers know, by the names of browsers. */
const FEATURES: Readonly<Record<string, string>> = {
  midi: "midi",
  geolocation: "geolocation",
  microphone: "microphone",
  camera: "camera",
  "encrypted-media": "encrypted-media",
  "full-screen": "fullscreen",
  fullscreen: "fullscreen",
  "payment-request": "payment",
};

export function isVisible({ kind, window }: FrameSpec): boolean {
  return window !== null || kind === "window" || kind === "rpc-window";
}

/** Not yet in the page. */
export function makeFrame(spec: FrameSpec, places: FramePlaces): HTMLIFrameElement {
  const frame = document.createElement("iframe");
  frame.setAttribute("sandbox", [...ALWAYS, ...(spec.network ? WITH_NETWORK : [])].join(" "));
  const features = spec.permissions.flatMap((name) => FEATURES[name] ?? []);
  frame.setAttribute("allow", features.map((feature) => `${feature} *`).join("; "));
  frame.setAttribute("referrerpolicy", "no-referrer");
  frame.title = spec.window?.title || spec.name;
  frame.name = spec.id;
  frame.style.border = "0";
  if (isVisible(spec)) frame.style.cssText += "display:block;width:100%;height:100%;";
  else {
    // What is not displayed at all is slowed down by browsers.
    frame.style.cssText += "position:absolute;width:0;height:0;visibility:hidden;";
    frame.setAttribute("aria-hidden", "true");
    frame.tabIndex = -1;
  }
  frame.src = addressOf(spec, places);
  return frame;
}

function addressOf({ page, network }: FrameSpec, { closed, open }: FramePlaces): string {
  const place = network ? open : closed;
  if (page === "") return `${place}frame.html`;
  if (!/^([a-z]+:|\/)/i.test(page)) return place + page;
  const isOurs = new URL(page, location.href).origin === location.origin;
  // The host does not know which of its two addresses it is to be.
  if (isOurs) return network ? page.replace(closed, open) : page;
  // Pages of others lie in one of ours, which hands on what they say: so this page need not allow them.
  return `${open}outside.html?page=${encodeURIComponent(page)}`;
}
