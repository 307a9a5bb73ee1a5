/** Where bricks and chunks came from, as a colour. */

export const PROVENANCES = [
  { name: "memory", colour: "#b9c2cd" },
  { name: "disk", colour: "#6fcf97" },
  { name: "network", colour: "#5cc8e8" },
  { name: "computed", colour: "#f2b84b" },
] as const;

const COLOURS: ReadonlyMap<string, string> = new Map(
  PROVENANCES.map(({ name, colour }) => [name, colour]),
);

const FAILED = "#f2786d";

export function provenanceColour(provenance: string): string {
  return provenance === "failed" ? FAILED : (COLOURS.get(provenance) ?? "#ffffff");
}
