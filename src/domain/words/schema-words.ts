import type { Problem } from '../errors.ts';
import { pointerTo } from './json-pointer.ts';

/** Issue that the schema library reports. The library leaves out the schema (`inst`) once it has the message. */
interface Issue {
  readonly code?: string | undefined;
  readonly input?: unknown;
  readonly expected?: unknown;
  readonly keys?: unknown;
  readonly options?: unknown;
  readonly values?: unknown;
  readonly origin?: unknown;
  readonly minimum?: unknown;
  readonly maximum?: unknown;
  readonly inst?: unknown;
}

/** The message about a file of settings, with the known name that a misspelled one probably means. */
export function settingWords(issue: Issue): string | undefined {
  const { keys } = issue;
  if (Array.isArray(keys)) {
    const known = Object.keys(shapeOf(issue));
    return keys.map((key) => unknownKeyText(String(key), known)).join(', ');
  }
  return schemaWords(issue);
}

const MOST_GUESSES = 20;
const LONGEST_KEY = 64;

/**
 * The messages about one document or body of a request. For an object with unknown fields the message has one line for each field: the known
 * field that it probably means, or nothing. The guesses are bounded, because a body may have thousands of unknown fields.
 */
export function fieldWords(): (issue: Issue) => string | undefined {
  let guesses = 0;
  return (issue) => {
    const { keys } = issue;
    if (!Array.isArray(keys)) return schemaWords(issue);
    const known = Object.keys(shapeOf(issue));
    const first = keys.slice(0, MOST_GUESSES - guesses);
    guesses += first.length;
    return first.map((key) => didYouMean(String(key), known)).join('\n');
  };
}

/** The problems of an issue of `fieldWords`: one for each unknown field, at its place. @param at pointer to the checked part of the body */
export function fieldProblems(
  issue: { readonly message: string; readonly path: readonly PropertyKey[] } & Issue,
  at = '',
): readonly Problem[] {
  const place = at + pointerTo(issue.path);
  if (!Array.isArray(issue.keys)) return [{ pointer: place, message: issue.message }];
  const guesses = issue.message.split('\n');
  return issue.keys.map((key, index) => ({
    pointer: place + pointerTo([String(key).slice(0, LONGEST_KEY)]),
    message: `is not a known field${guesses[index] ?? ''}`,
  }));
}

/** The message about any document, if its schema has no message of its own: a missing value is missing, whatever its type. */
export function schemaWords(issue: Issue): string | undefined {
  const { code, expected, options, values } = issue;
  if (issue.input === undefined) return 'is missing';
  const choices = code === 'invalid_value' ? values : options;
  if (Array.isArray(choices)) return `must be one of: ${choices.join(', ')}`;
  if (code === 'invalid_type') return `must be of type ${String(expected)}`;
  if (code === 'too_small') return `must ${sizeText(issue, 'least', issue.minimum)}`;
  if (code === 'too_big') return `must ${sizeText(issue, 'most', issue.maximum)}`;
  return undefined;
}

function sizeText({ origin }: Issue, bound: 'least' | 'most', size: unknown): string {
  const unit = { string: 'characters', array: 'items' }[String(origin)];
  return unit === undefined
    ? `be at ${bound} ${String(size)}`
    : `have at ${bound} ${String(size)} ${unit}`;
}

function shapeOf({ inst }: Issue): object {
  const { _zod: internals } = (inst ?? {}) as {
    readonly _zod?: { readonly def?: { readonly shape?: object } };
  };
  return internals?.def?.shape ?? {};
}

function unknownKeyText(key: string, known: readonly string[]): string {
  return `unknown key "${key}"${didYouMean(key, known)}`;
}

/** A question with the known name that a misspelled one probably means, or nothing. */
export function didYouMean(name: string, known: readonly string[]): string {
  const meant = similarName(name, known);
  return meant === undefined ? '' : `; did you mean "${meant}"?`;
}

/** The name that a misspelled one probably means: at most two letters differ, and less than half of them. Undefined if none is that close. */
function similarName(name: string, known: readonly string[]): string | undefined {
  const most = Math.min(2, Math.ceil(name.length / 2) - 1);
  const near = known
    .filter((each) => Math.abs(each.length - name.length) <= most)
    .map((each) => ({ each, distance: editDistance(name.toLowerCase(), each.toLowerCase()) }))
    .filter(({ distance }) => distance <= most)
    .sort((left, right) => left.distance - right.distance);
  return near[0]?.each;
}

/** Restricted Damerau-Levenshtein distance: letters inserted, deleted, replaced, or swapped with their neighbour. */
function editDistance(left: string, right: string): number {
  const rows: number[][] = [Array.from({ length: right.length + 1 }, (_, index) => index)];
  const at = (i: number, j: number): number => rows[i]?.[j] ?? Infinity;
  for (let i = 1; i <= left.length; i += 1) {
    rows[i] = [i];
    for (let j = 1; j <= right.length; j += 1) {
      const replaced = at(i - 1, j - 1) + (left[i - 1] === right[j - 1] ? 0 : 1);
      const isSwap = left[i - 1] === right[j - 2] && left[i - 2] === right[j - 1];
      const swapped = isSwap ? at(i - 2, j - 2) + 1 : Infinity;
      rows[i]?.push(Math.min(replaced, at(i - 1, j) + 1, at(i, j - 1) + 1, swapped));
    }
  }
  return at(left.length, right.length);
}
