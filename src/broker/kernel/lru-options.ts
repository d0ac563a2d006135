/** The options of an LRU cache of `most` entries. With `max`, lru-cache allocates all of them at once: measured, 1 MB and 6 ms for 50,000. */
export function lruOptions(most: number): {
  readonly maxSize: number;
  readonly sizeCalculation: () => number;
} {
  return { maxSize: most, sizeCalculation: () => 1 };
}
