/** A value that is bytes, in a template: it has to be asked for as text, and does not turn into some by itself. */
export class BytesValue {
  readonly base64: string;

  constructor(base64: string) {
    this.base64 = base64;
  }

  toString(): string {
    throw new Error('the value is bytes: write it with the filter base64');
  }

  toJSON(): { readonly base64: string } {
    return { base64: this.base64 };
  }
}
