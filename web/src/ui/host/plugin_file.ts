/** A plugin's file that a user hands over: read, and checked as far as a page can. */

/** The host takes no larger ones (`opsin.server.host_service`). */
const LARGEST = 256 << 10;
/** Of ImJoy's, in which attachments lie. */
const LARGEST_IMJOY = 16 << 20;

/** What a user reads where a file is no plugin. */
export class NoPlugin extends Error {
  override name = "NoPlugin";
}

/** Whether a file is called as plugins are. */
export function isPluginFile({ name }: Pick<File, "name">): boolean {
  return /\.(?:pyi?|imjoy\.html)$/i.test(name);
}

/** Its text. */
export async function readPluginFile(file: File): Promise<string> {
  const name = `“${file.name}”`;
  if (!isPluginFile(file)) {
    throw new NoPlugin(
      `${name} is not a plugin: that is a Python file (.py, .pyi) or an ImJoy file (.imjoy.html). Drop images onto the window to open them.`,
    );
  }
  const isImjoy = /\.imjoy\.html$/i.test(file.name);
  if (file.size > (isImjoy ? LARGEST_IMJOY : LARGEST)) {
    const most = isImjoy ? `${LARGEST_IMJOY >> 20} MiB` : `${LARGEST >> 10} KiB`;
    throw new NoPlugin(`${name} is too large for a plugin: more than ${most}.`);
  }
  let bytes: ArrayBuffer;
  try {
    bytes = await file.arrayBuffer();
  } catch {
    throw new NoPlugin(`${name} could not be read. Is it a folder, or has it gone?`);
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new NoPlugin(`${name} is not a plugin: it is not text in UTF-8.`);
  }
}
