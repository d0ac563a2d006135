import { BrokerError } from '../../domain/errors.ts';

/** Counts the streams that are open in this process, by holder and in total. */
export class StreamPlaces {
  readonly #refusal: string;
  readonly #byHolder = new Map<string, number>();
  #count = 0;

  /** `refusal`: what a holder reads if there is no place. */
  constructor(refusal: string) {
    this.#refusal = refusal;
  }

  get taken(): number {
    return this.#count;
  }

  /** @returns a function that frees the place, once. @throws ERR_RATE_LIMITED if the holder, or all holders together, have as many as they may */
  take(
    holder: string,
    { ofOne, ofAll }: { readonly ofOne: number; readonly ofAll: number },
  ): () => void {
    const own = this.#byHolder.get(holder) ?? 0;
    if (own >= ofOne || this.#count >= ofAll) {
      throw new BrokerError('ERR_RATE_LIMITED', this.#refusal, {
        reason: 'event_streams',
        retryAfterSeconds: 30,
      });
    }
    this.#byHolder.set(holder, own + 1);
    this.#count += 1;
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      this.#count -= 1;
      const left = (this.#byHolder.get(holder) ?? 1) - 1;
      if (left === 0) this.#byHolder.delete(holder);
      else this.#byHolder.set(holder, left);
    };
  }
}
