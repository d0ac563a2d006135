import { BrokerError } from '../../domain/errors.ts';
import { assertCountable } from './countable-json.ts';
import { UnusableAnswer } from './unusable-answer.ts';

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** @throws ERR_PROVIDER_MALFORMED, reasons `not_json` and `too_many_values`, without the parser's message, because it quotes the text. */
export function parseJson(bytes: Uint8Array, reviver?: Reviver): unknown {
  try {
    assertCountable(bytes);
    return JSON.parse(
      decoder.decode(bytes),
      reviver as Parameters<typeof JSON.parse>[1],
    ) as unknown;
  } catch (error) {
    const reason = error instanceof UnusableAnswer ? error.reason : 'not_json';
    throw new BrokerError('ERR_PROVIDER_MALFORMED', undefined, { reason });
  }
}

/** Gets the source text of numbers, too (the types of TypeScript lack the third argument). */
export type Reviver = (
  name: string,
  value: unknown,
  context: { readonly source?: string },
) => unknown;
