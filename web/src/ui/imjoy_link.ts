/** Links to ImJoy's app: what of the page's address they ask for. What they mean, the host knows. Pure. */

export type ImjoyLink = {
  /** For the host, without what is Opsin's own. */
  readonly address: string;
  /** To show the plugins of, or "". */
  readonly repository: string;
  /** To search the list of plugins for, or "". */
  readonly words: string;
  /** The page's address without all that, so that a reload does not ask for it again. */
  readonly rest: string;
};

/** Opsin's own, which links to ImJoy's app do not have. */
const OWN: readonly string[] = ["token", "open", "bare", "clear", "slots"];
/** Of these, one has to be there. */
const ASKING: readonly string[] = ["plugin", "p", "run", "start", "s", "repo", "r"];

/** What an address asks for behind its question mark, or behind that of its hash; null: nothing of ImJoy's. */
export function imjoyLink(href: string): ImjoyLink | null {
  const { origin, pathname, search, hash } = new URL(href);
  const isRoute = hash.includes("?");
  const query = new URLSearchParams(isRoute ? hash.slice(hash.indexOf("?")) : search);
  const own = new URLSearchParams(search);
  for (const name of [...own.keys()]) if (!OWN.includes(name)) own.delete(name);
  for (const name of OWN) query.delete(name);
  if (!ASKING.some((name) => query.get(name))) return null;
  const plugin = query.get("plugin") ?? query.get("p") ?? query.get("run") ?? "";
  const isAddress = /^(?:https?:\/\/|www\.)/i.test(plugin) || /\/.*:|:.*\//.test(plugin);
  const kept = own.size > 0 ? `?${own}` : "";
  return {
    address: `${origin}${pathname}?${query}`,
    repository: query.get("repo") ?? query.get("r") ?? "",
    words: isAddress ? "" : plugin,
    rest: `${pathname}${kept}${isRoute ? "" : hash}`,
  };
}

/** Whether a text names a repository, and not a plugin of it: `USER/REPO`, its page, or its manifest. */
export function isRepository(text: string): boolean {
  const isPage = /^https:\/\/github\.com\/[\w.-]+\/[\w.-]+\/?$/i.test(text);
  const isManifest = /^https?:\/\/\S+manifest\.imjoy\.json$/i.test(text);
  return isPage || isManifest || /^[\w.-]+\/[\w.-]+(?:@\w[\w.-]*)?$/.test(text);
}
