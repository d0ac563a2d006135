import { ApiError, type CallId } from '../../../src/client/index.ts';
import type { Broker, LooseInput } from '../../../src/cli/connection/broker.ts';

export interface AskedCall extends LooseInput {
  readonly id: string;
}

type Answers = Readonly<Record<string, (input: LooseInput) => unknown>>;

/** A broker with scripted answers that records its requests. */
export class ScriptedBroker implements Broker {
  readonly asked: AskedCall[] = [];
  readonly #answers: Answers;

  constructor(answers: Answers) {
    this.#answers = answers;
  }

  readonly call = ((id: CallId, input: LooseInput = {}) => {
    this.asked.push({ id, ...input });
    return Promise.resolve().then(async () => ({
      status: 200,
      headers: {},
      requestId: `req_${this.asked.length}`,
      body: await this.#answer(id, input),
    }));
  }) as unknown as Broker['call'];

  readonly pages = async function* (this: ScriptedBroker, id: string, input: LooseInput = {}) {
    this.asked.push({ id, ...input });
    yield* await Promise.resolve((this.#answer(id, input) as { items: unknown[] }).items);
  } as unknown as Broker['pages'];

  events(): never {
    throw new Error('no events here');
  }

  changes(): never {
    throw new Error('no changes here');
  }

  #answer(id: string, input: LooseInput): unknown {
    const answer = this.#answers[id];
    if (answer === undefined) throw new Error(`nobody said what ${id} answers`);
    return answer(input);
  }
}

/** Builds a refusal of the broker. */
export function refusal(status: number, code: string, more: object = {}): ApiError {
  return new ApiError(
    { id: 'test', path: '/test' },
    {
      type: `urn:quaymaster:error:${code}`,
      title: 'No',
      status,
      code: code as ApiError['code'],
      requestId: 'req_refused',
      ...more,
    },
  );
}
