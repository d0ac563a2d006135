import type { SecretData } from '../../domain/secrets/secret.ts';
import type { RotationTarget, RotationTurn, TargetVerdict } from '../../ports/rotation-target.ts';
import { refuseStaleCopies } from '../rotator/values.ts';
import type { GeneratedValue } from './values.ts';

/**
 * Rotation target for values that only this provider stores: no other system has to accept the new one or stop
 * accepting the old one.
 */
export class GeneratorTarget implements RotationTarget {
  readonly locators: readonly string[] = [];
  readonly slots = 'two';
  readonly drillable = true;
  readonly lifetimeSeconds?: number;
  readonly #value: GeneratedValue;

  constructor(value: GeneratedValue) {
    this.#value = value;
    if (value.lifetimeSeconds !== undefined) this.lifetimeSeconds = value.lifetimeSeconds;
  }

  async create(turn: RotationTurn): Promise<SecretData> {
    refuseStaleCopies(turn.current, this.#value.secrets);
    return { ...turn.current, ...(await this.#value.make()) };
  }

  set(): Promise<void> {
    return Promise.resolve();
  }

  async test(data: SecretData): Promise<TargetVerdict> {
    return this.#value.verdict(data);
  }

  retire(): Promise<void> {
    return Promise.resolve();
  }

  discard(): Promise<void> {
    return Promise.resolve();
  }
}
