/** What the page's address asks for: `?bare` and `?clear=` for measured runs, `?slots=` for small machines. */

export type Parameters = {
  /** The canvas alone: no panels, no overlays, no saved view. */
  readonly bare: boolean;
  /** Background of the canvas, components 0…1. */
  readonly clear?: readonly [number, number, number];
  /** Bytes of textures that the canvas may hold. */
  readonly slots?: number;
};

export function parametersOf(search: string): Parameters {
  const query = new URLSearchParams(search);
  const clear = /^#?([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(query.get("clear") ?? "");
  const slots = query.get("slots") ?? "";
  const component = (index: number) => Number.parseInt(clear?.[index] ?? "0", 16) / 255;
  return {
    bare: query.has("bare"),
    ...(clear ? { clear: [component(1), component(2), component(3)] as const } : {}),
    ...(/^[1-9]\d{0,14}$/.test(slots) ? { slots: Number(slots) } : {}),
  };
}
