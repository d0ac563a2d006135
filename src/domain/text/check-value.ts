import { BrokerError } from '../errors.ts';

export const DEEPEST = 32;
const MOST_KEYS = 1_000;
export const MOST_VALUES = 20_000;

interface Tally {
  keys: number;
  values: number;
}

/**
 * Limits a parsed document before other code walks it: deep nesting overflows recursive readers, and stores do not return a lone surrogate
 * or a NUL unchanged.
 * @throws ERR_BODY_INVALID, ERR_UNKNOWN_FIELD for `__proto__`.
 */
export function checkValue(value: unknown): void {
  check(value, 0, { keys: 0, values: 0 });
}

function check(value: unknown, depth: number, tally: Tally): void {
  if (depth > DEEPEST) throw tooDeep();
  tally.values += 1;
  if (tally.values > MOST_VALUES) throw tooManyValues();
  if (Array.isArray(value)) for (const item of value) check(item, depth + 1, tally);
  else if (typeof value === 'object' && value !== null) checkFields(value, depth, tally);
  else checkScalar(value);
}

function checkFields(fields: object, depth: number, tally: Tally): void {
  for (const [key, item] of Object.entries(fields)) {
    tally.keys += 1;
    if (tally.keys > MOST_KEYS) throw refused('too_many_keys', `may have ${MOST_KEYS} fields`);
    if (key === '__proto__') throw unknownField();
    checkText(key);
    check(item, depth + 1, tally);
  }
}

function checkScalar(value: unknown): void {
  if (typeof value === 'string') checkText(value);
  if (typeof value === 'number' && !Number.isFinite(value)) {
    throw refused('number', 'may hold finite numbers only');
  }
}

function checkText(text: string): void {
  if (!text.isWellFormed()) throw refused('surrogate', 'must be well-formed Unicode');
  if (text.includes('\0')) throw refused('nul', 'must not hold NUL characters');
}

/** Refuses `__proto__`: no document has a field of this name, and some readers of objects skip it silently. */
function unknownField(): BrokerError {
  return new BrokerError('ERR_UNKNOWN_FIELD', undefined, { reason: 'unknown_field' });
}

export function tooDeep(): BrokerError {
  return refused('too_deep', `may nest ${DEEPEST} deep`);
}

export function tooManyValues(): BrokerError {
  return refused('too_many_values', `may hold ${MOST_VALUES} values`);
}

export function refused(reason: string, detail: string): BrokerError {
  return new BrokerError('ERR_BODY_INVALID', `the body ${detail}`, { reason });
}
