/** State of the shutdown: once it begins, each answer closes its connection, and the readiness probe fails. */
export class Drain {
  #active = false;

  get active(): boolean {
    return this.#active;
  }

  begin(): void {
    this.#active = true;
  }
}
