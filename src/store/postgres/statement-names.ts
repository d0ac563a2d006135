/** Shapes are few; this only bounds what a defect could do to the server's memory. */
const KEPT_NAMES = 1_000;

/** Gives every text of a statement one name, under which each connection prepares it once. */
export class StatementNames {
  readonly #names = new Map<string, string>();

  /** Undefined once there are too many: such a statement is parsed each time. */
  nameOf(text: string): string | undefined {
    const known = this.#names.get(text);
    if (known !== undefined || this.#names.size >= KEPT_NAMES) return known;
    const name = `quaymaster_${this.#names.size}`;
    this.#names.set(text, name);
    return name;
  }
}
