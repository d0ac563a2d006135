import { isDeepStrictEqual } from 'node:util';
import type { PeopleConfig, PeopleIssuerConfig } from '../../auth/config.ts';
import { OpenIdIssuer } from '../../auth/people/openid-issuer.ts';
import { SecurityKeyChecks } from '../../auth/people/security-key-checks.ts';
import { Turns } from '../../broker/kernel/turns.ts';
import type { People } from '../../broker/state/dependencies.ts';
import type { Clock } from '../../ports/clock.ts';
import type { SecurityKeyVerifier } from '../../ports/people.ts';

const NO_PEOPLE: PeopleConfig = {
  issuers: {},
  sessionSeconds: 0,
  idleSeconds: 0,
  stepUp: { maxAgeSeconds: 0, acr: [], secretReads: false },
};

/** The issuers of people's logins. None is contacted before the first login. A reload keeps those that did not change. */
export class ConfiguredPeople {
  readonly issuers = new Map<string, OpenIdIssuer>();
  readonly deviceTurns = new Turns();
  readonly #clock: Pick<Clock, 'now' | 'monotonic'>;
  #config: PeopleConfig;
  #keys: SecurityKeyVerifier | undefined;

  constructor(config: PeopleConfig | undefined, clock: Pick<Clock, 'now' | 'monotonic'>) {
    this.#clock = clock;
    this.#config = NO_PEOPLE;
    this.use(config);
  }

  get sessionSeconds(): number {
    return this.#config.sessionSeconds;
  }

  get idleSeconds(): number {
    return this.#config.idleSeconds;
  }

  get stepUp(): People['people']['stepUp'] {
    return this.#config.stepUp;
  }

  get securityKeys(): SecurityKeyVerifier | undefined {
    return this.#keys;
  }

  use(config: PeopleConfig = NO_PEOPLE): void {
    const before: Readonly<Partial<Record<string, PeopleIssuerConfig>>> = this.#config.issuers;
    this.#config = config;
    const { publicUrl } = config;
    this.#keys = publicUrl === undefined ? undefined : new SecurityKeyChecks(publicUrl);
    for (const name of [...this.issuers.keys()]) {
      if (!Object.hasOwn(config.issuers, name)) this.issuers.delete(name);
    }
    for (const [name, issuer] of Object.entries(config.issuers)) {
      if (this.issuers.has(name) && isDeepStrictEqual(before[name], issuer)) continue;
      this.issuers.set(name, new OpenIdIssuer(issuer, this.#clock));
    }
  }
}
