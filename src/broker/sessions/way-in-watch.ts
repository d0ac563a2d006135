import { liveAdminTokens } from '../access/ways-in.ts';
import { Worker } from '../kernel/worker.ts';
import type { Access, Keys, Storage, Work } from '../state/dependencies.ts';

const EVERY_MS = 60_000;
/** The part of the life of the last token after which it is time for a new one. */
const LATE = 0.9;

/** Looks for the end of the last live token with the role admin: without one, no admin can log in while the issuer of people fails. */
export class WayInWatch {
  readonly #worker: Worker;
  #isEnding = false;

  constructor(
    parts: Storage &
      Pick<Access, 'catalog' | 'tokens' | 'quarantines'> &
      Pick<Keys, 'keyring'> &
      Pick<Work, 'log'>,
  ) {
    this.#worker = new Worker('ways in', EVERY_MS, parts, async () => {
      if (parts.keyring.isSealed) return;
      const now = parts.clock.now();
      const live = await liveAdminTokens(parts);
      this.#isEnding = live.every(
        ({ createdAt, endsAt }) => now - createdAt >= (endsAt - createdAt) * LATE,
      );
    });
  }

  start(): void {
    this.#worker.start();
  }

  stop(): Promise<void> {
    return this.#worker.stop();
  }

  warnings(): readonly string[] {
    return this.#isEnding ? ['last_admin_token_ending'] : [];
  }
}
