/** What was opened, to be closed in reverse order: at the end, or as soon as something after it cannot be opened. */
export class Closings {
  readonly #closings: (() => Promise<void> | void)[] = [];

  add(close: () => Promise<void> | void): void {
    this.#closings.push(close);
  }

  async close(): Promise<void> {
    for (let close = this.#closings.pop(); close !== undefined; close = this.#closings.pop()) {
      await close();
    }
  }
}
