import { setTimeout as pause } from 'node:timers/promises';
import { LyingReceiver, say, type Heard } from '../fakes/lying-receiver.ts';
import { PATIENT } from '../providers/longest-timeout.ts';

interface Delivered {
  readonly step: string;
  readonly target: string;
  readonly rotation: string | undefined;
}

/** A target behind the webhook that counts deliveries, with accounts and their accepted passwords. */
export class AccountReceiver {
  /** Deliveries in order of arrival; a `test` is two deliveries, the first with a password that was never set. */
  readonly deliveries: Delivered[] = [];
  /** Delay of each answer. */
  latencyMs = 0;
  /** The highest number of concurrent deliveries so far. */
  mostAtOnce = 0;
  /** Awaited after a delivery has its effect and before its answer. */
  hold: ((delivered: Delivered) => Promise<void> | undefined) | undefined;
  /** Answers instead of a delivery's effect; undefined: the delivery has its effect. */
  instead: ((delivered: Delivered) => object | undefined) | undefined;
  readonly #accounts = new Map<string, Set<string>>();
  readonly #receiver = new LyingReceiver();
  #atOnce = 0;

  static async start(): Promise<AccountReceiver> {
    const receiver = new AccountReceiver();
    receiver.#receiver.lie = (heard, response, request) => {
      void receiver.#answer(heard).then((answer) => say(answer)(heard, response, request));
    };
    await receiver.#receiver.start();
    return receiver;
  }

  stop(): Promise<void> {
    return this.#receiver.stop();
  }

  /** The connection for the configuration file. */
  connection(limits: Readonly<Record<string, number>> = {}): object {
    return {
      type: 'webhook',
      url: `http://127.0.0.1:${this.#receiver.port}/hook`,
      secretFile: this.#receiver.keyFile,
      tls: 'off',
      allowPrivateAddresses: true,
      locators: ['accounts/**'],
      limits: { ...PATIENT, ...limits },
    };
  }

  /** Adds an account that the broker did not create. */
  allow(target: string, password: string): void {
    this.#accounts.set(target, new Set([password]));
  }

  accepts(target: string, password: unknown): boolean {
    return this.#accounts.get(target)?.has(String(password)) === true;
  }

  steps(step: string): readonly Delivered[] {
    return this.deliveries.filter((delivered) => delivered.step === step);
  }

  async #answer({ message }: Heard): Promise<object> {
    const delivered = {
      step: String(message['step']),
      target: String(message['target']),
      rotation: message['rotation'] as string | undefined,
    };
    this.deliveries.push(delivered);
    this.#atOnce += 1;
    this.mostAtOnce = Math.max(this.mostAtOnce, this.#atOnce);
    try {
      const outcome = this.instead?.(delivered) ?? this.#act(delivered, message);
      if (this.latencyMs > 0) await pause(this.latencyMs);
      await this.hold?.(delivered);
      return { version: 1, ...outcome };
    } finally {
      this.#atOnce -= 1;
    }
  }

  #act({ step, target }: Delivered, message: Heard['message']): object {
    const account = this.#accounts.get(target) ?? new Set<string>();
    this.#accounts.set(target, account);
    const password = (of: string): string =>
      String((message[of] as Readonly<Record<string, unknown>> | undefined)?.['password']);
    if (step === 'set') account.add(password('pending'));
    if (step === 'retire') account.delete(password('previous'));
    if (step === 'discard') account.delete(password('pending'));
    if (step !== 'test') return { outcome: 'done' };
    return account.has(password('value'))
      ? { outcome: 'accepted' }
      : { outcome: 'refused', reason: 'login_refused' };
  }
}
