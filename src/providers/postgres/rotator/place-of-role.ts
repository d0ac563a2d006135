/** `roles/<name>`, one segment whatever the name holds; as the connection's `locators` are written. */
export function placeOfRole(username: string): string {
  return `roles/${encodeURIComponent(username)}`;
}
