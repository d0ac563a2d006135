import { BrokerError, type Problem } from '../errors.ts';
import { hasDuplicateNames } from './duplicate-names.ts';
import { exceededBound, type JsonBounds } from './json-bounds.ts';
import { JsonText, Lines, type Position } from './strict-json.ts';
import { readYaml, type YamlProblem } from './strict-yaml.ts';
import {
  checkValue,
  DEEPEST,
  MOST_VALUES,
  refused,
  tooDeep,
  tooManyValues,
} from './check-value.ts';

/** A parsed body: its value, and the position of each part in its text. */
export interface ParsedBody {
  readonly value: unknown;
  /** The body as it arrived, for a thread; it has nothing else then. */
  readonly bytes?: Uint8Array<ArrayBuffer>;
  /** The position of the value at a JSON pointer. */
  locate(pointer: string): Position | undefined;
}

/** The parser and the walks after it cost time for each character outside of strings. No document needs more of them than this. */
const MOST_BARE = 262_144;
/** An array may be nested in as many others as `DEEPEST` allows. */
const BOUNDS: JsonBounds = { depth: DEEPEST + 1, values: MOST_VALUES, bare: MOST_BARE };
const REFUSALS: Readonly<Record<keyof JsonBounds, () => BrokerError>> = {
  depth: tooDeep,
  values: tooManyValues,
  bare: () => refused('too_much_space', `may have ${MOST_BARE} characters outside of its texts`),
};

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** @throws ERR_BODY_INVALID */
export function decodeBody(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw new BrokerError('ERR_BODY_INVALID', 'the body is not UTF-8', { reason: 'not_utf8' });
  }
}

/** @throws ERR_BODY_INVALID; the error repeats neither the text nor the parser's message about it. */
export function parseJson(text: string): ParsedBody {
  const exceeded = exceededBound(text, BOUNDS);
  if (exceeded !== undefined) throw REFUSALS[exceeded]();
  const value = parse(text);
  checkValue(value);
  if (hasDuplicateNames(text, value)) throw refused('duplicate_key', 'names a field twice');
  let places: JsonText | undefined;
  return { value, locate: (pointer) => (places ??= new JsonText(text)).locate(pointer) };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    const [, offset] = /at position (\d+)/.exec((error as Error).message) ?? [];
    const place = offset === undefined ? undefined : new Lines(text).positionAt(Number(offset));
    throw new BrokerError('ERR_BODY_INVALID', 'the body is not JSON (RFC 8259)', {
      reason: 'malformed',
      ...(place !== undefined && { problems: [{ pointer: '', message: 'is not JSON', ...place }] }),
    });
  }
}

/** One document of YAML that JSON could express. @throws ERR_BODY_INVALID with the position of each fault. */
export async function parseYaml(text: string): Promise<ParsedBody> {
  const { documents, problems } = await readYaml(text);
  if (problems.length > 0) throw notYaml(problems);
  const [document] = documents;
  if (document === undefined || documents.length > 1) {
    throw notYaml([{ message: 'must be exactly one document' }]);
  }
  checkValue(document.value);
  return document;
}

/** Adds to each problem of a document its line and column in the sent text. */
export function placed(error: BrokerError, body: ParsedBody | undefined): BrokerError {
  if (error.problems === undefined || body === undefined) return error;
  const problems = error.problems.map((problem): Problem => {
    return problem.line === undefined ? { ...problem, ...body.locate(problem.pointer) } : problem;
  });
  const { code, detail, reason, cause } = error;
  return new BrokerError(code, detail, {
    problems,
    cause,
    ...(reason !== undefined && { reason }),
  });
}

function notYaml(problems: readonly YamlProblem[]): BrokerError {
  return new BrokerError('ERR_BODY_INVALID', 'the body is not plain YAML', {
    reason: 'malformed',
    problems: problems.map((problem): Problem => ({ pointer: '', ...problem })),
  });
}
