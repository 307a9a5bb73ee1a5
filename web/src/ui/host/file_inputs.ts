/** Files that plugins of ImJoy take: which fit, and how they are handed over. Pure. */
import type { FileInput, PluginOperation } from "./host_service.ts";

type About = Pick<File, "name" | "type" | "size">;

/** Whether an input takes a file, by the ending of its name, its type and its size. */
export function takesFile({ extensions, types, smallest, largest }: FileInput, file: About) {
  const name = file.name.toLowerCase();
  const hasEnding = extensions.length === 0 || extensions.some((one) => name.endsWith(`.${one}`));
  const hasType = types.length === 0 || types.some((one) => isOfType(file.type, one));
  return hasEnding && hasType && file.size >= smallest && file.size <= (largest ?? Infinity);
}

/** The input of an operation that takes a file; null: none does. */
export function fileInputFor(operation: PluginOperation, file: About): FileInput | null {
  if (operation.refused !== "") return null;
  return operation.files?.find((input) => takesFile(input, file)) ?? null;
}

/** What a browser offers to choose from, as `accept` of a field. */
export function acceptOf({ extensions, types }: FileInput): string {
  return [...extensions.map((one) => `.${one}`), ...types].join(",");
}

/** A file as it travels to a plugin (protocol/IMJOY.md, "Values"). */
export async function carriedFile(file: File) {
  return {
    _rtype: "file",
    _rvalue: await file.arrayBuffer(),
    _rname: file.name,
    _rmime: file.type,
    _rpath: file.name,
  };
}

function isOfType(type: string, wanted: string): boolean {
  return wanted.endsWith("/*") ? type.startsWith(wanted.slice(0, -1)) : type === wanted;
}
