import { listAll } from '../broker/kernel/list-all.ts';
import type { CanaryValues, Value, ValueCache } from '../broker/state/value-cache.ts';
import type { Keyring } from '../crypto/keys/keyring.ts';
import { decryptAt } from '../broker/kernel/encrypted-columns.ts';
import { placeOf } from './rotation-row.ts';
import { openCanaryStage } from '../domain/rotation/canary-stage.ts';
import type { Session } from '../domain/identity/principal.ts';
import type { SecretData } from '../domain/secrets/secret.ts';
import type { Store } from '../ports/store.ts';
import type { Tables } from '../ports/tables.ts';
import { ROTATIONS } from '../ports/queries.ts';
import { activeRotation } from './rotation-row.ts';

interface Canary {
  readonly version: string;
  readonly pods: ReadonlySet<string>;
  /** Row with the pending value, encrypted as in the store. */
  readonly row: Tables['rotations'];
}

interface CanaryDeps {
  readonly store: Store;
  readonly values: ValueCache;
  readonly keyring: Keyring;
  readonly installation: string;
}

/** The canaries of all rotations in memory, kept current by the feed of changes. */
export class RotationCanaries implements CanaryValues {
  readonly #deps: CanaryDeps;
  readonly #byPath = new Map<string, Canary>();

  constructor(deps: CanaryDeps) {
    this.#deps = deps;
  }

  /** A held store serves no reads, and an attacker may have changed its rotation rows. */
  async load(): Promise<void> {
    if (this.#deps.store.fault() === 'ERR_HELD') return;
    for await (const row of listAll(this.#deps.store, ROTATIONS.inCanary())) {
      this.#keep(row);
    }
  }

  async refresh(path: string): Promise<void> {
    const row = await activeRotation(this.#deps.store, path);
    this.#byPath.delete(path);
    if (row !== undefined) this.#keep(row);
  }

  valueFor({ session }: { readonly session: Session }, path: string): Value | undefined {
    const canary = this.#byPath.size === 0 ? undefined : this.#byPath.get(path);
    const { cluster, pod } = session.workload;
    if (canary === undefined || pod === undefined) return undefined;
    return canary.pods.has(`${cluster}/${pod.uid}`) ? this.#open(canary) : undefined;
  }

  #keep(row: Tables['rotations']): void {
    const stage = openCanaryStage(row.canary);
    if (row.state !== 'running' || row.step !== 'canary' || stage === undefined) return;
    this.#byPath.set(row.path, { version: stage.version, pods: new Set(stage.pods), row });
  }

  #open({ row, version }: Canary): Value | undefined {
    if (row.pending === null) return undefined;
    const { values } = this.#deps;
    const text = decryptAt(this.#deps, placeOf(row, 'pending'), row.pending);
    const data = JSON.parse(text.toString()) as SecretData;
    text.fill(0);
    return values.value(row.path, { data, version });
  }
}
