import { BrokerError } from '../../domain/errors.ts';
import { exceededBound, type JsonBounds } from '../../text/json-bounds.ts';
import {
  checkValue,
  DEEPEST,
  MOST_VALUES,
  refused,
  tooDeep,
  tooManyValues,
} from './check-value.ts';
import { JsonText } from '../../text/json-text.ts';
import { Lines, type ParsedBody } from './parsed-body.ts';

/** The parser and the walks after it cost time for each character outside of strings. No document needs more of them than this. */
const MOST_BARE = 262_144;
/** An array may be nested in as many others as `DEEPEST` allows. */
const BOUNDS: JsonBounds = { depth: DEEPEST + 1, values: MOST_VALUES, bare: MOST_BARE };
const REFUSALS: Readonly<Record<keyof JsonBounds, () => BrokerError>> = {
  depth: tooDeep,
  values: tooManyValues,
  bare: () => refused('too_much_space', `may have ${MOST_BARE} characters outside of its texts`),
};

/** @throws ERR_BODY_INVALID; the error repeats neither the text nor the parser's message about it. */
export function parseJson(text: string): ParsedBody {
  const exceeded = exceededBound(text, BOUNDS);
  if (exceeded !== undefined) throw REFUSALS[exceeded]();
  const lines = new Lines(text);
  const value = parse(text, lines);
  checkValue(value);
  const walked = new JsonText(text);
  if (walked.hasDuplicateKeys()) {
    throw new BrokerError('ERR_BODY_INVALID', 'the body names a field twice', {
      reason: 'duplicate_key',
    });
  }
  return {
    value,
    locate: (pointer) => {
      const offset = walked.offsetOf(pointer);
      return offset === undefined ? undefined : lines.positionAt(offset);
    },
  };
}

function parse(text: string, lines: Lines): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    const [, offset] = /at position (\d+)/.exec((error as Error).message) ?? [];
    const place = offset === undefined ? undefined : lines.positionAt(Number(offset));
    throw new BrokerError('ERR_BODY_INVALID', 'the body is not JSON (RFC 8259)', {
      reason: 'malformed',
      ...(place !== undefined && { problems: [{ pointer: '', message: 'is not JSON', ...place }] }),
    });
  }
}
