import type { Clock } from '../../../ports/clock.ts';
import { readCredentialFile } from './credential-file.ts';
import type { HeldToken, TokenSource } from './token-source.ts';

const FRESH_MS = 1000;

/** A token that an agent or an operator keeps fresh in a file: seen within a second of its change, and at once when the old one is refused. */
export class FileTokens implements TokenSource {
  readonly #path: string;
  readonly #clock: Clock;
  #held: HeldToken | undefined;
  #readAt = 0;

  constructor(path: string, clock: Clock) {
    this.#path = path;
    this.#clock = clock;
  }

  async current(): Promise<HeldToken> {
    const isFresh = this.#clock.monotonic() - this.#readAt < FRESH_MS;
    return this.#held !== undefined && isFresh ? this.#held : this.#read();
  }

  async replacement(refused: HeldToken): Promise<HeldToken | undefined> {
    const token = await this.#read();
    return token === refused ? undefined : token;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  async #read(): Promise<HeldToken> {
    const value = await readCredentialFile(this.#path);
    this.#readAt = this.#clock.monotonic();
    if (this.#held === undefined || this.#held.value.reveal() !== value.reveal()) {
      this.#held = { value };
    }
    return this.#held;
  }
}
