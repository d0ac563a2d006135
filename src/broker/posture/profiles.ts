import { loadKeyless } from '../../crypto/signatures/keyless-signature.ts';
import { compileProfile, type PostureProfile } from '../../domain/posture/profile.ts';
import type { StoredDocument } from '../model/document.ts';
import type { DocumentView } from '../state/catalog.ts';

/** All posture profiles, compiled. */
export class Profiles implements DocumentView<'posture-profile'> {
  readonly kind = 'posture-profile';
  #all: readonly PostureProfile[] = [];

  /** All profiles, in the order of their names. A new list after each change of a profile. */
  get all(): readonly PostureProfile[] {
    return this.#all;
  }

  /** A profile counts from the moment when everything that it needs for a decision is loaded. */
  async use(documents: readonly StoredDocument<'posture-profile'>[]): Promise<void> {
    const profiles = documents.map(({ name, version, spec }) =>
      compileProfile(name, version, spec),
    );
    if (profiles.some(({ trust }) => trust.trustRoots.size > 0)) await loadKeyless();
    this.#all = profiles;
  }
}
