import { BrokerError } from '../../domain/errors.ts';

/** Places of one flow, in all and for one network. */
export interface PlaceBounds {
  readonly ofAll: number;
  readonly ofNetwork: number;
}

const RETRY_SECONDS = 10;

/**
 * Counts the logins that wait for an issuer. A slow issuer must not collect the requests of callers that the broker does not know, and one network
 * must not take the places of all others.
 */
export class LoginPlaces {
  readonly #issuer: string;
  readonly #bounds: PlaceBounds;
  readonly #byNetwork = new Map<string, number>();
  #taken = 0;

  constructor(issuer: string, bounds: PlaceBounds) {
    this.#issuer = issuer;
    this.#bounds = bounds;
  }

  /** @throws ERR_BUSY if as many logins wait as may */
  async hold<T>(network: string, work: () => Promise<T>): Promise<T> {
    const { ofAll, ofNetwork } = this.#bounds;
    const own = this.#byNetwork.get(network) ?? 0;
    if (own >= ofNetwork) throw this.#busy(ofNetwork, ' from your network');
    if (this.#taken >= ofAll) throw this.#busy(ofAll, '');
    this.#taken += 1;
    this.#byNetwork.set(network, own + 1);
    try {
      return await work();
    } finally {
      this.#taken -= 1;
      const left = (this.#byNetwork.get(network) ?? 1) - 1;
      if (left === 0) this.#byNetwork.delete(network);
      else this.#byNetwork.set(network, left);
    }
  }

  #busy(count: number, where: string): BrokerError {
    const detail = `${count} logins${where} wait for the issuer ${this.#issuer}; it is slow, retry later`;
    return new BrokerError('ERR_BUSY', detail, { retryAfterSeconds: RETRY_SECONDS });
  }
}
