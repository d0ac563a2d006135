import { BrokerError } from '../../../src/domain/errors.ts';
import type { SecretData } from '../../../src/domain/secrets/secret.ts';
import type { CallContext } from '../../../src/ports/call-context.ts';
import type {
  RotationConnection,
  RotationTarget,
  RotationTurn,
  TargetVerdict,
} from '../../../src/ports/rotation-target.ts';

export type TargetStep = 'create' | 'set' | 'test' | 'retire' | 'discard';

interface Options {
  readonly user?: string;
  /** A second account that the target changes too. */
  readonly partner?: string;
  readonly slots?: 'one' | 'two';
  readonly drillable?: boolean;
  readonly lifetimeSeconds?: number;
}

/** A scripted target in memory that changes passwords and records when each of them worked. */
export class ScriptedTarget implements RotationConnection {
  readonly name: string;
  readonly kind = 'scripted';
  /** Passwords that work now, by user. */
  readonly accepted = new Map<string, Set<string>>();
  /** Calls, as `step`. */
  readonly calls: TargetStep[] = [];
  /** Passwords that ever worked, in order. */
  readonly made: string[] = [];
  /** Reason why `test` refuses every password, even a set one. */
  refuses: string | undefined;
  /** Runs before the effect of the call; may throw, or wait. */
  before: (step: TargetStep, turn: Pick<RotationTurn, 'context'>) => void | Promise<void> = () =>
    undefined;
  /** Runs after the effect of the call: an error here is a lost answer. */
  after: (step: TargetStep) => void | Promise<void> = () => undefined;
  #count = 0;

  constructor(name: string) {
    this.name = name;
  }

  /** Reports whether the target accepts this value. */
  works(data: SecretData | undefined): boolean {
    const { username, password } = (data ?? {}) as { username?: string; password?: string };
    return this.accepted.get(username ?? '')?.has(password ?? '') === true;
  }

  allow(data: SecretData): void {
    const { username, password } = data as { username: string; password: string };
    const passwords = this.accepted.get(username) ?? new Set();
    passwords.add(password);
    this.accepted.set(username, passwords);
    this.made.push(password);
  }

  target(strategy: string, options: unknown): RotationTarget {
    if (strategy !== 'passwords') {
      throw new BrokerError('ERR_BODY_INVALID', undefined, {
        problems: [{ pointer: '/strategy', message: 'is not known here' }],
      });
    }
    const given = options as Options;
    const {
      user = 'app',
      partner,
      slots = 'two',
      drillable = slots === 'two',
      lifetimeSeconds,
    } = given;
    if (user === '') {
      throw new BrokerError('ERR_BODY_INVALID', undefined, {
        problems: [{ pointer: '/user', message: 'is empty' }],
      });
    }
    return {
      locators: [user, ...(partner === undefined ? [] : [partner])].map((name) => `users/${name}`),
      slots,
      drillable,
      ...(lifetimeSeconds === undefined ? {} : { lifetimeSeconds }),
      create: (turn) => this.#create(turn, user),
      set: (turn, pending) => this.#set(turn, pending, slots),
      test: (data, context) => this.#test(data, context, [user, partner]),
      retire: (turn, previous) => this.#retire(turn, previous),
      discard: (turn, pending) => this.#discard(turn, pending, slots),
    };
  }

  async #create(turn: RotationTurn, user: string): Promise<SecretData> {
    return this.#do('create', turn, () => {
      this.#count += 1;
      return { ...turn.current, username: user, password: `p${this.#count}` };
    });
  }

  async #set(turn: RotationTurn, pending: SecretData, slots: 'one' | 'two'): Promise<void> {
    await this.#do('set', turn, () => {
      if (this.works(pending)) return;
      turn.stillOurs();
      if (slots === 'one') this.accepted.clear();
      this.allow(pending);
    });
  }

  async #test(
    data: SecretData,
    context: CallContext,
    users: readonly (string | undefined)[],
  ): Promise<TargetVerdict> {
    return this.#do('test', { context }, () => {
      if (this.refuses !== undefined) return { accepted: false, reason: this.refuses };
      const isOwn = users.includes(data['username'] as string | undefined);
      return isOwn && this.works(data)
        ? { accepted: true }
        : { accepted: false, reason: 'login_refused' };
    });
  }

  async #retire(turn: RotationTurn, previous: SecretData): Promise<void> {
    await this.#do('retire', turn, () => {
      turn.stillOurs();
      this.#end(previous);
    });
  }

  async #discard(turn: RotationTurn, pending: SecretData, slots: 'one' | 'two'): Promise<void> {
    await this.#do('discard', turn, () => {
      turn.stillOurs();
      this.#end(pending);
      if (slots === 'one' && turn.current !== undefined) this.allow(turn.current);
    });
  }

  #end(data: SecretData): void {
    const { username, password } = data as { username: string; password: string };
    this.accepted.get(username)?.delete(password);
  }

  async #do<T>(step: TargetStep, turn: Pick<RotationTurn, 'context'>, work: () => T): Promise<T> {
    this.calls.push(step);
    await this.before(step, turn);
    const result = work();
    await this.after(step);
    return result;
  }
}
