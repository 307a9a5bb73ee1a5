/** Errors as users read them. */

export function sentenceOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
