/** What runs in Opsin's own worker, which a frame has started: becomes the worker of a plugin. */
import { portLink } from "../../imjoy/messages.ts";
import { isPlain } from "../../imjoy/values.ts";
import { joinPage, tellFailures } from "./joined.ts";
import { installLoader } from "./loader.ts";
import { needsIn, Python } from "./python.ts";
import { shim } from "./shims.ts";
import { runInWorker } from "./worker_orders.ts";

shim();
installLoader();
globalThis.addEventListener("message", begin as EventListener);

function begin({ data, ports }: MessageEvent): void {
  const port = ports[0];
  if (!port || !isPlain(data) || data["type"] !== "initialize") return;
  globalThis.removeEventListener("message", begin as EventListener);
  const config = isPlain(data["config"]) ? data["config"] : {};
  const link = portLink(port);
  tellFailures(link);
  const about = { ...config, dedicated_thread: true };
  if (config["type"] !== "web-python") {
    void joinPage(link, about, runInWorker);
    return;
  }
  const say = (level: string, text: string) => link.send({ type: "log", level, message: text });
  const python = new Python(needsIn(config["python"], String(config["base"])), say);
  void joinPage(link, { ...about, lang: "python" }, (order, api) => python.run(order, api));
}
