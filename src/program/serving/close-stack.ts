/** Closes opened resources in reverse order: at the end, or when a later one cannot be opened. */
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
