/**
 * Ends of leases that the agent causes itself, by acknowledging a version or giving a credential back: the broker tells them as it tells a
 * revocation, and each would have everything read again. An event counts as ours only while one of ours is still to come, so of two events
 * one at least is always looked into.
 */
export class ExpectedEvents {
  #count = 0;

  expect(): void {
    this.#count += 1;
  }

  isOwn(): boolean {
    if (this.#count === 0) return false;
    this.#count -= 1;
    return true;
  }

  /** The expected one will not come. @returns whether another was taken for it, so that it is to be looked into. */
  withdraw(): boolean {
    return !this.isOwn();
  }

  /** From now on nothing is expected: what happened before was missed. */
  forget(): void {
    this.#count = 0;
  }
}
