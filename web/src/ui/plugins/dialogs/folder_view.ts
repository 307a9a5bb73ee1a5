/** What a dialog shows of a folder of the host's computer, and what is chosen in it. Pure. */
import type { FileWish, Folder, FolderEntry } from "../service.ts";

/** May a plugin be given more than one? */
export function takesMany(wish: FileWish): boolean {
  return /multiple/.test(wish.mode ?? "");
}

/** What can be chosen in a folder: of files all entries, of folders those alone. */
export function entriesFor(wish: FileWish, folder: Folder): readonly FolderEntry[] {
  return wish.type === "directory"
    ? folder.entries.filter(({ is_folder }) => is_folder)
    : folder.entries;
}

/** The rows after one is pressed: `more`: beside the others; `through`: from the last one to it. */
export function pressed(
  chosen: ReadonlySet<number>,
  row: number,
  { more, from }: { readonly more: boolean; readonly from: number | null },
): ReadonlySet<number> {
  if (from !== null) {
    const [first, last] = [Math.min(from, row), Math.max(from, row)];
    return new Set(Array.from({ length: last - first + 1 }, (_, i) => first + i));
  }
  if (!more) return new Set([row]);
  const next = new Set(chosen);
  if (!next.delete(row)) next.add(row);
  return next;
}

/** The next row whose name begins so, after `row`, around the end; -1: there is none. */
export function rowNamed(entries: readonly FolderEntry[], letters: string, row: number): number {
  const count = entries.length;
  for (let i = letters.length > 1 ? 0 : 1; i <= count; i++) {
    const next = (Math.max(row, 0) + i) % count;
    if (entries[next]?.name.toLowerCase().startsWith(letters.toLowerCase())) return next;
  }
  return -1;
}

/** A folder's path in steps, the whole computer first. */
export function stepsOf(path: string): readonly { readonly name: string; readonly path: string }[] {
  const isWindows = /^[a-z]:[\\/]/i.test(path);
  const separator = isWindows ? "\\" : "/";
  const parts = path.split(/[\\/]+/).filter((part) => part !== "");
  const steps = parts.map((name, i) => {
    const below = parts.slice(0, i + 1).join(separator);
    if (!isWindows) return { name, path: `/${below}` };
    return { name, path: i === 0 ? `${below}\\` : below };
  });
  return isWindows ? steps : [{ name: "/", path: "/" }, ...steps];
}

/** The folder in which a path that was typed lies. */
export function parentOf(path: string): string {
  const cut = path.replace(/[\\/]+$/, "").replace(/[^\\/]*$/, "");
  return cut.length > 1 ? cut.replace(/(?<!:)[\\/]+$/, "") : cut;
}
