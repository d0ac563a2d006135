/** Whether the server is shutting down: then each answer closes its connection, and the readiness probe fails. */
export class Drain {
  #active = false;

  get active(): boolean {
    return this.#active;
  }

  begin(): void {
    this.#active = true;
  }
}
