/** Engines of imjoy-core for plugins in Python: the real imjoy-rpc at the other end of a socket runs them. */

const TYPES = ["native-python", "web-python"];

/** Has imjoy-core run plugins in Python at `port`. */
export async function addPython(core, imjoyRPC, port) {
  for (const pluginType of TYPES) {
    await core.em.register({
      type: "engine",
      pluginType,
      name: pluginType,
      url: `${pluginType}.test`,
      connect: () => true,
      disconnect: () => true,
      heartbeat: () => true,
      startPlugin: (config, api, utils) => start(imjoyRPC, port, config, api, utils),
    });
  }
}

/** As Jupyter-Engine-Manager does it: the api is sent, scripts are run, and what they export is asked for. */
async function start(imjoyRPC, port, config, api) {
  const connection = new SocketConnection(`ws://localhost:${port}`);
  const rpc = new imjoyRPC.RPC(connection, { name: config.name });
  rpc.setInterface(api);
  await new Promise((resolve) => connection.once("initialized", resolve));
  await new Promise((resolve) => {
    rpc.once("interfaceSetAsRemote", resolve);
    rpc.sendInterface();
  });
  for (const { content, attrs } of config.scripts) {
    await connection.run({ type: "script", lang: attrs.lang, content });
  }
  return await new Promise((resolve) => {
    rpc.once("remoteReady", () => resolve(rpc.getRemote()));
    rpc.requestRemote();
  });
}

class SocketConnection {
  constructor(address) {
    this.handlers = [];
    this.socket = new WebSocket(address);
    this.opened = new Promise((resolve) => this.socket.addEventListener("open", resolve));
    this.socket.addEventListener("message", ({ data }) => this.take(unpacked(JSON.parse(data))));
  }

  on(event, handler, once = false) {
    this.handlers.push({ event, handler, once });
  }

  once(event, handler) {
    this.on(event, handler, true);
  }

  take(message) {
    if (message.type === "initialized") this.peer = message.peer_id;
    const known = this.handlers.filter(({ event }) => event === message.type);
    this.handlers = this.handlers.filter(({ event, once }) => !(once && event === message.type));
    for (const { handler } of known) handler(message);
  }

  async emit({ __transferables__, ...message }) {
    await this.opened;
    this.socket.send(JSON.stringify(packed({ ...message, peer_id: this.peer })));
  }

  async run(code) {
    const done = new Promise((resolve) => this.once("executed", resolve));
    this.emit({ type: "execute", code });
    const { error } = await done;
    if (error) throw new Error(error);
  }

  disconnect() {
    this.socket.close();
  }
}

function packed(value) {
  if (value instanceof ArrayBuffer)
    return { $bytes: btoa(String.fromCharCode(...new Uint8Array(value))) };
  if (ArrayBuffer.isView(value)) return packed(value.slice().buffer);
  if (Array.isArray(value)) return value.map(packed);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, packed(one)]));
}

function unpacked(value) {
  if (Array.isArray(value)) return value.map(unpacked);
  if (typeof value !== "object" || value === null) return value;
  if (value.$bytes !== undefined)
    return Uint8Array.from(atob(value.$bytes), (one) => one.charCodeAt(0)).buffer;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, unpacked(one)]));
}
