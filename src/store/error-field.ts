/** A text property of a driver's error, empty when there is none. Not by class: a native driver's errors may be of another realm. */
export function errorField(error: unknown, name: string): string {
  if (typeof error !== 'object' || error === null) return '';
  const value = (error as Readonly<Record<string, unknown>>)[name];
  return typeof value === 'string' ? value : '';
}
