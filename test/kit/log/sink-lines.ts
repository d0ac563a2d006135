/** The complete entry lines that a sink wrote, without the heads of its deliveries. */
export function entryLines(text: string): readonly string[] {
  const lines = text.split('\n').slice(0, -1);
  return lines.filter((line) => !line.startsWith('{"delivery":'));
}
