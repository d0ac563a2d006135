/** The number of different statements is small. This limit only bounds the server memory that a defect could use. */
const KEPT_NAMES = 1_000;

/** Assigns one name to every statement text. Each connection prepares the text once under this name. */
export class StatementNames {
  readonly #names = new Map<string, string>();

  /** Undefined once there are too many names. The server then parses the statement each time. */
  nameOf(text: string): string | undefined {
    const known = this.#names.get(text);
    if (known !== undefined || this.#names.size >= KEPT_NAMES) return known;
    const name = `quaymaster_${this.#names.size}`;
    this.#names.set(text, name);
    return name;
  }
}
