/** How well a text fits what was typed: letters in order, better at the start of words and side by side. Pure. */

const AT_START = 8;
const ADJACENT = 5;
const PER_GAP = 0.2;
/** All letters side by side. */
const WHOLE = 10;

export type Match = { readonly score: number; readonly at: readonly number[] };

/** Null: it does not fit. Words may come in any order. */
export function fuzzyMatch(query: string, text: string): Match | null {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  const lower = text.toLowerCase();
  let score = 0;
  const at = new Set<number>();
  for (const word of words) {
    const match = bestOf(word, lower);
    if (!match) return null;
    score += match.score;
    for (const place of match.at) at.add(place);
  }
  return { score: score - text.length * 0.01, at: [...at].sort((a, b) => a - b) };
}

/** Those that fit, the best first; in their order where they fit alike. */
export function ranked<T>(
  query: string,
  items: readonly T[],
  textOf: (item: T) => string,
): readonly { readonly item: T; readonly match: Match }[] {
  return items
    .flatMap((item) => {
      const match = fuzzyMatch(query, textOf(item));
      return match ? [{ item, match }] : [];
    })
    .sort((a, b) => b.match.score - a.match.score);
}

/** From every place where it could begin. */
function bestOf(word: string, text: string): Match | null {
  let best: Match | null = null;
  for (
    let from = text.indexOf(word[0] ?? "");
    from >= 0;
    from = text.indexOf(word[0] ?? "", from + 1)
  ) {
    const match = matchFrom(word, text, from);
    if (match && (!best || match.score > best.score)) best = match;
  }
  return best;
}

function matchFrom(word: string, text: string, from: number): Match | null {
  const at: number[] = [];
  let score = 0;
  let place = from;
  for (const letter of word) {
    const found = text.indexOf(letter, place);
    if (found < 0) return null;
    const isAdjacent = at.length > 0 && found === place;
    if (isAdjacent) score += ADJACENT;
    else score -= (found - place) * PER_GAP;
    if (found === 0 || /[^\p{L}\p{N}]/u.test(text[found - 1] ?? "")) score += AT_START;
    at.push(found);
    place = found + 1;
  }
  const isWhole = (at.at(-1) ?? 0) - from + 1 === word.length;
  return { score: isWhole ? score + WHOLE : score, at };
}
