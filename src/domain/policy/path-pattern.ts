import { MAX_PATH_SEGMENTS } from '../words/names.ts';
import { isPolicyVariable } from './policy-variable.ts';
import type { PolicyVariable, VariableValues } from './policy-variable.ts';
import { POLICY_LIMITS } from './policy-limits.ts';

/** Matches any number of whole segments, including none. */
export const ANY_DEPTH = '**';

const VARIABLE = /\$\{([^{}]*)\}/g;
const PATTERN_TEXT = /^[A-Za-z0-9._+=@*-]*$/;
/** Separators that occur in no name of Kubernetes and in no name of a cluster. */
const SEPARATOR = /[+=@]/;

/** The problem of a rule's path pattern; undefined if it is valid. */
export function pathPatternProblem(pattern: string): string | undefined {
  if (pattern.length > POLICY_LIMITS.patternLength) {
    return `must have at most ${POLICY_LIMITS.patternLength} characters`;
  }
  const segments = pattern.split('/');
  if (segments.length > MAX_PATH_SEGMENTS) {
    return `must have at most ${MAX_PATH_SEGMENTS} segments`;
  }
  const deepStars = segments.filter((segment) => segment === ANY_DEPTH).length;
  if (deepStars > POLICY_LIMITS.deepStars) {
    return `must have at most ${POLICY_LIMITS.deepStars} segments "**"`;
  }
  if (pattern.includes('**/**')) return 'must not have "**" twice in a row';
  return segments.map(segmentProblem).find((problem) => problem !== undefined);
}

function segmentProblem(segment: string): string | undefined {
  if (segment === ANY_DEPTH) return undefined;
  if (segment === '') return 'must not have an empty segment, nor start or end with "/"';
  if (segment === '.' || segment === '..') return 'must not have a segment "." or ".."';
  const unknown = variablesOf(segment).find((name) => !isPolicyVariable(name));
  if (unknown !== undefined) return 'names a variable that is not known';
  if (!PATTERN_TEXT.test(segment.replace(VARIABLE, ''))) {
    return 'may only have segments of [A-Za-z0-9._+=@-], "*" and ${variables}';
  }
  if (segment.includes(ANY_DEPTH)) return '"**" must be a whole segment';
  if (segment.split('*').length - 1 > POLICY_LIMITS.starsInSegment) {
    return `must have at most ${POLICY_LIMITS.starsInSegment} "*" in a segment`;
  }
  return segment.includes('$') ? openEndedVariableProblem(segment) : undefined;
}

/**
 * Refuses variables that are joined ambiguously. `${namespace}-${serviceAccount}` is the same text for (a-b, c) and (a, b-c), and `${namespace}-*` of
 * `a` also matches what belongs to `a-b`: a workload could choose its name to read another's secrets.
 */
function openEndedVariableProblem(segment: string): string | undefined {
  const pieces = segment.split(/(\$\{[^}]*\}|\*)/);
  for (let at = 3; at < pieces.length; at += 2) {
    const [left = '', between = '', right = ''] = pieces.slice(at - 2, at + 1);
    if ((left !== '*' || right !== '*') && !SEPARATOR.test(between)) {
      return 'needs one of "+", "=" and "@" between a variable and another variable or "*" in the same segment';
    }
  }
  return undefined;
}

/** Names in `${…}`, known or not. */
function variablesOf(text: string): readonly string[] {
  // Most segments have none, and a start reads ten thousand policies.
  return text.includes('$') ? Array.from(text.matchAll(VARIABLE), ([, name = '']) => name) : [];
}

export function patternVariables(pattern: string): readonly PolicyVariable[] {
  return variablesOf(pattern).filter(isPolicyVariable);
}

/** The segments of the pattern with variables filled in; undefined if one has no usable value. */
export function fillIn(pattern: string, values: VariableValues): readonly string[] | undefined {
  const filled = pattern.split('/').map((segment) => fillSegment(segment, values));
  return filled.every((segment) => segment !== undefined) ? filled : undefined;
}

/** The widest meaning of a pattern that cannot be filled in: its segments up to the first without a value, and everything below. For denies. */
export function widen(pattern: string, values: VariableValues): readonly string[] {
  const filled = pattern.split('/').map((segment) => fillSegment(segment, values));
  const known = filled.slice(0, filled.indexOf(undefined)) as string[];
  return [...known, ANY_DEPTH];
}

/** A value contains no star (`isPathSegment`), and the replacing function inserts it literally: nothing in it is interpreted. */
function fillSegment(segment: string, values: VariableValues): string | undefined {
  if (!patternVariables(segment).every((variable) => values.has(variable))) return undefined;
  return segment.replace(VARIABLE, (_, name: PolicyVariable) => String(values.get(name)));
}

/** The segments before the first with a star or a variable, as a path; '' if there are none. */
export function staticPrefix(pattern: string): string {
  const segments = pattern.split('/');
  const open = segments.findIndex((segment) => /[*$]/.test(segment));
  return segments.slice(0, open === -1 ? segments.length : open).join('/');
}
