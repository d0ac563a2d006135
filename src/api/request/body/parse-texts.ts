import { setImmediate as loopTurn } from 'node:timers/promises';
import { BrokerError } from '../../../domain/errors.ts';
import { parseJson } from '../../../domain/text/parse-body.ts';

/** Limit in characters, the same as for a document that is sent alone. */
export const DOCUMENT_CHARACTERS = 65_536;
/** Documents that are parsed before other requests are answered: about 2 ms. */
const SLICE = 50;

/**
 * Parses the JSON texts of several documents of one body. Each is a text of its own, so that it has the bounds of one document,
 * and other requests are answered in between. As parts of one body they would be parsed at once.
 * @throws ERR_BODY_INVALID with the pointer to the text; `pointerTo` returns it
 */
export async function parseTexts(
  texts: readonly string[],
  pointerTo: (at: number) => string,
): Promise<readonly unknown[]> {
  const values: unknown[] = [];
  for (const [at, text] of texts.entries()) {
    values.push(parseText(text, () => pointerTo(at)));
    if (at % SLICE === SLICE - 1) await loopTurn();
  }
  return values;
}

function parseText(text: string, pointer: () => string): unknown {
  try {
    return parseJson(text).value;
  } catch (error) {
    const { code, detail, reason = 'malformed' } = BrokerError.from(error);
    const problems = [{ pointer: pointer(), message: detail ?? 'is not JSON' }];
    throw new BrokerError(code, undefined, { reason, problems });
  }
}
