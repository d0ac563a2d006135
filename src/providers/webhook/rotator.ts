import { generatePassword } from '../../crypto/random/generated-value.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { SecretData } from '../../domain/secrets/secret.ts';
import type { CallContext } from '../../ports/call-context.ts';
import type { RotationTarget, RotationTurn, TargetVerdict } from '../../ports/rotation-target.ts';
import { conflict, refuseStaleCopies } from '../rotator/values.ts';
import {
  pendingValueOf,
  refuseUnlessDone,
  verdictOf,
  type Step,
  type Deliveries,
  type Message,
} from './deliveries.ts';
import type { WebhookOptions } from './config.ts';

/** A credential that the receiver changes for the broker, step by step. */
export class WebhookTarget implements RotationTarget {
  readonly locators: readonly string[];
  readonly slots: 'one' | 'two';
  readonly drillable: boolean;
  readonly #options: WebhookOptions;
  readonly #deliveries: Deliveries;
  /** The keys of the credential. */
  readonly #own: readonly string[];

  constructor(options: WebhookOptions, deliveries: Deliveries) {
    this.locators = [options.target];
    this.slots = options.slots;
    this.drillable = options.drillable;
    this.#options = options;
    this.#deliveries = deliveries;
    this.#own = options.makes ?? [options.keys.password];
  }

  async create(turn: RotationTurn): Promise<SecretData> {
    const { current } = turn;
    refuseStaleCopies(current, this.#own);
    if (this.#options.makes === undefined) return { ...current, ...this.#generated() };
    const told = this.#message('create', turn, { current });
    const stillOurs = (): void => turn.stillOurs();
    const made = pendingValueOf(await this.#deliveries.send(told, turn.context, stillOurs));
    const isWhole =
      Object.keys(made).length === this.#own.length &&
      this.#own.every((key) => Object.hasOwn(made, key));
    if (!isWhole || this.#isSame(made, current)) {
      const reason = isWhole ? 'not_new' : 'answer';
      throw new BrokerError('ERR_PROVIDER_MALFORMED', undefined, { reason });
    }
    return { ...current, ...made };
  }

  set(turn: RotationTurn, pending: SecretData): Promise<void> {
    return this.#change('set', turn, { current: turn.current, pending });
  }

  /**
   * Tests a value that was never set first: a receiver that accepts everything tests nothing. Then tests the value itself, so that a target
   * that counts consecutive failures resets its count.
   */
  async test(data: SecretData, context: CallContext): Promise<TargetVerdict> {
    if (!this.#own.every((key) => Object.hasOwn(data, key))) {
      return { accepted: false, reason: 'value_incomplete' };
    }
    const decoy = await this.#ask({ ...data, ...this.#decoy() }, context);
    if (decoy.accepted) return { accepted: false, reason: 'accepts_anything' };
    return this.#ask(data, context);
  }

  async retire(turn: RotationTurn, previous: SecretData): Promise<void> {
    if (this.slots === 'one') return;
    this.#refuseToEndCurrent(turn, previous);
    await this.#change('retire', turn, { current: turn.current, previous });
  }

  async discard(turn: RotationTurn, pending: SecretData): Promise<void> {
    this.#refuseToEndCurrent(turn, pending);
    await this.#change('discard', turn, { current: turn.current, pending });
  }

  async #ask(value: SecretData, context: CallContext): Promise<TargetVerdict> {
    const message = this.#message('test', undefined, { value });
    return verdictOf(await this.#deliveries.ask(message, context));
  }

  async #change(
    step: 'set' | 'retire' | 'discard',
    turn: RotationTurn,
    values: Readonly<Record<string, SecretData | undefined>>,
  ): Promise<void> {
    const stillOurs = (): void => turn.stillOurs();
    const message = this.#message(step, turn, values);
    refuseUnlessDone(await this.#deliveries.send(message, turn.context, stillOurs));
  }

  #message<S extends Step>(
    step: S,
    turn: RotationTurn | undefined,
    values: Readonly<Record<string, SecretData | undefined>>,
  ): Message<S> {
    const { target, slots, data } = this.#options;
    return { step, rotation: turn?.rotationId, target, slots, data, ...values };
  }

  #generated(): SecretData {
    const { password = {}, keys } = this.#options;
    return { [keys.password]: generatePassword(password) };
  }

  #decoy(): SecretData {
    const { makes, password = {} } = this.#options;
    if (makes === undefined) return this.#generated();
    return Object.fromEntries(makes.map((key) => [key, generatePassword(password)]));
  }

  #refuseToEndCurrent({ current }: RotationTurn, ended: SecretData): void {
    if (!this.#isSame(ended, current)) return;
    throw conflict('in_use', 'this value is the one that must keep working');
  }

  #isSame(one: SecretData, other: SecretData | undefined): boolean {
    return (
      other !== undefined &&
      this.#own.every((key) => JSON.stringify(one[key]) === JSON.stringify(other[key]))
    );
  }
}
