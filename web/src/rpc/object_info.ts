/** What the other side is told of an object that travels by reference. */
export type ObjectInfo = {
  /** Its owner's number of it. */
  readonly object: number;
  /** One of those in extensions.ts. */
  readonly kind: number;
  readonly name: string;
  readonly doc: string | null;
  /** Names of its methods, where it is a thing that has them. */
  readonly methods: readonly string[] | null;
};
