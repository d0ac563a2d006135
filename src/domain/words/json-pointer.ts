/** The JSON pointer to a place (RFC 6901): a reference token for each member name or index on the way. */
export function pointerTo(path: readonly PropertyKey[]): string {
  return path
    .map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`)
    .join('');
}

/** The member names and indexes of a JSON pointer, from the outermost. `~1` before `~0`, or `~01` would become `/` (RFC 6901 section 4). */
export function pathOf(pointer: string): string[] {
  return pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
}
