import { readFile } from 'node:fs/promises';
import { BrokerError } from '../../domain/errors.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';

/** Interval of reloads, the same as for the certificate of the API listener. */
const RELOAD_MS = 60_000;

/** The text of a file that may change at runtime. It is read again every minute; if a read fails, the old text stays. */
export class FollowedText {
  readonly #path: string;
  readonly #deps: { readonly clock: Clock; readonly log: Log };
  #text: string;
  #cancel: () => void;

  private constructor(
    path: string,
    text: string,
    deps: { readonly clock: Clock; readonly log: Log },
  ) {
    this.#path = path;
    this.#text = text;
    this.#deps = deps;
    this.#cancel = this.#schedule();
  }

  /** @throws ERR_CONFIG_INVALID if the file cannot be read */
  static async read(
    path: string,
    deps: { readonly clock: Clock; readonly log: Log },
  ): Promise<FollowedText> {
    try {
      return new FollowedText(path, await readFile(path, 'utf8'), deps);
    } catch (cause) {
      throw new BrokerError('ERR_CONFIG_INVALID', `${path} cannot be read`, { cause });
    }
  }

  get text(): string {
    return this.#text;
  }

  close(): void {
    this.#cancel();
  }

  #schedule(): () => void {
    const { clock, log } = this.#deps;
    return clock.after(RELOAD_MS, () => {
      readFile(this.#path, 'utf8')
        .then((text) => {
          this.#text = text;
        })
        .catch((error: unknown) => {
          log.error({ err: error }, 'a file could not be read again; its former text stays');
        })
        .finally(() => {
          this.#cancel = this.#schedule();
        });
    });
  }
}
