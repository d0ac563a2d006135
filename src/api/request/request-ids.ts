const DIGITS = '0123456789abcdefghjkmnpqrstvwxyz';
const LENGTH = 8;

/** Request ids: this boot's random name and a counter, always of the same length. The broker ignores ids that clients send. */
export class RequestIds {
  readonly #prefix: string;
  #count = 0;

  constructor(boot: string) {
    this.#prefix = `req_${boot}_`;
  }

  next(): string {
    let rest = ++this.#count;
    let digits = '';
    for (let index = 0; index < LENGTH; index += 1) {
      digits = DIGITS.charAt(rest % 32) + digits;
      rest = Math.floor(rest / 32);
    }
    return this.#prefix + digits;
  }
}
