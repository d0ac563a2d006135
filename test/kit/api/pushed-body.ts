/** The bytes of a body, as a push sends them. */
export function pushedBody(body: object): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(body));
}
