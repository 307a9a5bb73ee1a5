/** The page around a page of another site: hands on what the two say. */

const frame = document.createElement("iframe");
const asked = new URLSearchParams(location.search).get("page") ?? "about:blank";
const address = new URL(asked, location.href);
if (/^https?:$/.test(address.protocol)) {
  frame.src = address.href;
  frame.style.cssText = "position:fixed;inset:0;width:100%;height:100%;border:0";
  frame.allow = "fullscreen *";
  document.body.append(frame);
}

window.addEventListener("message", ({ source, data, ports }: MessageEvent) => {
  // A page of another site takes no port, so the rest is said by window.
  if (source === window.parent) {
    for (const port of ports) port.close();
    frame.contentWindow?.postMessage(data, "*");
  } else if (source !== null && source === frame.contentWindow) {
    window.parent.postMessage(data, "*");
  }
});
