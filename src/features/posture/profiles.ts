import { isDeepStrictEqual } from 'node:util';
import { loadKeyless } from '../../crypto/signatures/keyless-signature.ts';
import { compileProfile, type PostureProfile } from '../../domain/posture/profile.ts';
import type { StoredDocument } from '../../broker/model/document.ts';
import { parseSpec } from '../../broker/model/schema.ts';
import type { DocumentView } from '../../broker/state/catalog.ts';

/** All posture profiles, compiled. */
export class Profiles implements DocumentView<'posture-profile'> {
  readonly kind = 'posture-profile';
  #all: readonly PostureProfile[] = [];
  readonly #compiled = new WeakMap<StoredDocument, PostureProfile>();
  #hasEarlierDefaults = false;

  /** All profiles, in the order of their names. A new list after each change of a profile; the others are the same objects. */
  get all(): readonly PostureProfile[] {
    return this.#all;
  }

  /** True if a profile is permissive because it was created when the defaults were. */
  get hasEarlierDefaults(): boolean {
    return this.#hasEarlierDefaults;
  }

  /** A profile counts from the moment when everything that it needs for a decision is loaded. */
  async use(documents: readonly StoredDocument<'posture-profile'>[]): Promise<void> {
    const profiles = documents.map((document) => {
      const { name, version, spec } = document;
      const profile = this.#compiled.get(document) ?? compileProfile(name, version, spec);
      this.#compiled.set(document, profile);
      return profile;
    });
    if (profiles.some(({ trust }) => trust.trustRoots.size > 0)) await loadKeyless();
    this.#all = profiles;
    this.#hasEarlierDefaults = documents.some(
      ({ body, spec, defaults }) =>
        defaults === 0 && !isDeepStrictEqual(parseSpec('posture-profile', body), spec),
    );
  }
}
