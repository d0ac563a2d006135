/** The lines of entries that a sink wrote, whole ones only, without the heads of its deliveries. */
export function entryLines(text: string): readonly string[] {
  const lines = text.split('\n').slice(0, -1);
  return lines.filter((line) => !line.startsWith('{"delivery":'));
}
