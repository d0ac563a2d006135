/** Whether the server is going away: then every answer closes its connection, and readiness says so. */
export class Drain {
  #active = false;

  get active(): boolean {
    return this.#active;
  }

  begin(): void {
    this.#active = true;
  }
}
