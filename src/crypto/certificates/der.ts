/** One element of DER: its tag, and its content. */
export interface DerElement {
  readonly tag: number;
  readonly content: Buffer;
}

/** The elements of a DER text, in order. Reads definite lengths of up to four bytes and tags of one byte. @throws RangeError if it is cut or malformed. */
export function derElements(bytes: Buffer): readonly DerElement[] {
  const elements: DerElement[] = [];
  for (let at = 0; at < bytes.length;) {
    const tag = bytes.readUInt8(at);
    const first = bytes.readUInt8(at + 1);
    const size = first < 0x80 ? 0 : first & 0x7f;
    if (first === 0x80 || size > 4 || (tag & 0x1f) === 0x1f) throw new RangeError('not DER');
    const length = size === 0 ? first : bytes.readUIntBE(at + 2, size);
    const start = at + 2 + size;
    at = start + length;
    if (at > bytes.length) throw new RangeError('cut off');
    elements.push({ tag, content: bytes.subarray(start, at) });
  }
  return elements;
}

/** The only element of a DER text, which has this tag. @throws RangeError */
export function derElement(bytes: Buffer, tag: number): Buffer {
  const [element, ...others] = derElements(bytes);
  if (element?.tag !== tag || others.length > 0) throw new RangeError('another element');
  return element.content;
}
