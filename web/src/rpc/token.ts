/** Tokens, by which a side knows that the other may talk to it. */

const encoder = new TextEncoder();

/** Takes as long for a token that is almost right as for any other of that length. */
export function sameToken(one: string, other: string): boolean {
  const [a, b] = [encoder.encode(one), encoder.encode(other)];
  let difference = a.length ^ b.length;
  for (let i = 0; i < a.length; i++) difference |= (a[i] ?? 0) ^ (b[i % b.length] ?? 0);
  return difference === 0;
}
