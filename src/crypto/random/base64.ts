/** Accepts canonical standard base64 only: Node ignores other characters and unused bits, so that one signature would have many texts. */
export function decodeBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : undefined;
}
