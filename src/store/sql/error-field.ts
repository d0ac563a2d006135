/**
 * Returns a text property of a driver's error; empty if there is none. It does not test the class, because a native driver's errors may come from
 * another realm.
 */
export function errorField(error: unknown, name: string): string {
  if (typeof error !== 'object' || error === null) return '';
  const value = (error as Readonly<Record<string, unknown>>)[name];
  return typeof value === 'string' ? value : '';
}
