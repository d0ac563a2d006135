/** Callers choose some of the texts, so their number is limited. At this number, the table starts again. */
const MOST_KEPT = 16_384;

const known = new Map<string, string>();

/**
 * Returns one copy for all equal texts: for texts that many objects keep for long. The copy is flat. V8 builds a joined text as a tree of its parts,
 * which takes 32 bytes for each part and keeps the longer texts alive that the parts were cut from.
 */
export function interned(text: string): string {
  const found = known.get(text);
  if (found !== undefined) return found;
  if (known.size >= MOST_KEPT) known.clear();
  const copy = text.isWellFormed() ? Buffer.from(text).toString() : text;
  known.set(copy, copy);
  return copy;
}
