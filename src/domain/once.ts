/** Runs work until it has succeeded once, and keeps that result. Calls during a run share it; after a failure the next call runs the work again. */
export class Once<T> {
  #result: Promise<T> | undefined;

  run(work: () => Promise<T>): Promise<T> {
    this.#result ??= work().catch((error: unknown) => {
      this.#result = undefined;
      throw error;
    });
    return this.#result;
  }
}
