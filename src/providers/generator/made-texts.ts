import { fitsPasswordSpec, generatePassword } from '../../crypto/generated-value.ts';
import type { SecretData } from '../../domain/secret.ts';
import type { TargetVerdict } from '../../ports/rotation-target.ts';
import type { GeneratedOptions } from './config.ts';
import type { MadeValue } from './made-value.ts';

/** Texts, each under its own rules. */
export class MadeTexts implements MadeValue {
  readonly secrets: readonly string[];
  readonly #specs: GeneratedOptions['keys'];

  constructor({ keys }: GeneratedOptions) {
    this.secrets = Object.keys(keys);
    this.#specs = keys;
  }

  make(): Promise<SecretData> {
    const made = Object.entries(this.#specs).map(
      ([key, spec]) => [key, generatePassword(spec)] as const,
    );
    return Promise.resolve(Object.fromEntries(made));
  }

  verdict(data: SecretData): TargetVerdict {
    const isAsAsked = Object.entries(this.#specs).every(([key, spec]) => {
      const value = data[key];
      return typeof value === 'string' && fitsPasswordSpec(spec, value);
    });
    return isAsAsked ? { accepted: true } : { accepted: false, reason: 'not_as_asked' };
  }
}
