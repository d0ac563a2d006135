import { generateKeyPair, readKeyPair } from '../../crypto/key-pair.ts';
import type { SecretData } from '../../domain/secret.ts';
import type { TargetVerdict } from '../../ports/rotation-target.ts';
import type { KeyPairOptions } from './config.ts';
import type { MadeValue } from './made-value.ts';

const FORMS = ['privateKey', 'publicKey', 'openSsh'] as const;

/** A private key and the forms of its public one. */
export class MadeKeyPair implements MadeValue {
  readonly secrets: readonly string[];
  readonly #options: KeyPairOptions;

  constructor(options: KeyPairOptions) {
    this.secrets = [options.keys.privateKey];
    this.#options = options;
  }

  async make(): Promise<SecretData> {
    const pair = await generateKeyPair(this.#options.type);
    const forms = this.#named().map(([form, key]) => [key, pair[form]] as const);
    return Object.fromEntries(forms);
  }

  verdict(data: SecretData): TargetVerdict {
    const privateKey = data[this.#options.keys.privateKey];
    const pair = typeof privateKey === 'string' ? readKeyPair(privateKey) : undefined;
    if (pair === undefined) return { accepted: false, reason: 'not_a_key' };
    if (pair.type !== this.#options.type) return { accepted: false, reason: 'not_as_asked' };
    const isWhole = this.#named().every(([form, key]) => data[key] === pair[form]);
    return isWhole ? { accepted: true } : { accepted: false, reason: 'keys_differ' };
  }

  #named(): readonly (readonly [(typeof FORMS)[number], string])[] {
    return FORMS.flatMap((form) => {
      const key = this.#options.keys[form];
      return key === undefined ? [] : [[form, key] as const];
    });
  }
}
