import { BrokerError, type Problem } from '../../domain/errors.ts';
import { randomBytes } from './random.ts';

/** Classes of printable ASCII characters, as password rules of other systems name them. */
export type CharacterClass = 'upper' | 'lower' | 'digit' | 'symbol';

/** Rules for a generated text. */
export interface PasswordSpec {
  /** Characters; 1 to 1024, 32 when absent. */
  readonly length?: number | undefined;
  /** Distinct characters of printable ASCII without the space. Default: letters and digits, and `-._~` if a symbol is required. */
  readonly alphabet?: string | undefined;
  /** Characters of the alphabet that are left out. */
  readonly exclude?: string | undefined;
  /** Classes that must each occur at least once. */
  readonly require?: readonly CharacterClass[] | undefined;
}

export const MOST_CHARACTERS = 1024;
/**
 * Bits of entropy that every generated value has, whatever its rules (OWASP ASVS 11.5.1 asks for 128 of raw randomness, 112 is the minimum of NIST SP
 * 800-131A).
 */
const LEAST_BITS = 112;
const DEFAULT_LENGTH = 32;
const LETTERS_AND_DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
/** Symbols that have no special meaning in a URL, a shell word or a connection string (RFC 3986 section 2.3). */
const UNRESERVED = '-._~';
/** Printable ASCII only: programs differ in how they normalise, encode and trim other characters. */
const PRINTABLE = /^[\x21-\x7e]*$/;
/** The smallest share of randomly drawn texts that must contain all required classes. */
const LEAST_SHARE = 1 / 64;
/** Draws before generation fails. If one text in 64 qualifies, the probability that none of this many does is below 2^-90. */
const MOST_DRAWS = 4096;

const CLASSES: Readonly<Record<CharacterClass, RegExp>> = {
  upper: /[A-Z]/,
  lower: /[a-z]/,
  digit: /[0-9]/,
  symbol: /[^A-Za-z0-9]/,
};

/** @throws ERR_BODY_INVALID for a spec under 112 bits or with contradicting rules. It lists problems with pointers relative to the spec. */
export function checkPasswordSpec(spec: PasswordSpec): void {
  const problems = passwordProblems(spec);
  if (problems.length > 0) throw new BrokerError('ERR_BODY_INVALID', undefined, { problems });
}

/** Problems of a spec, for callers that check it as part of a larger document; if the list is empty, values can be generated. */
export function passwordProblems(spec: PasswordSpec): readonly Problem[] {
  const problems = [...lengthProblems(spec), ...alphabetProblems(spec)];
  return problems.length > 0 ? problems : strengthProblems(spec);
}

/**
 * Draws a text of `spec`; every possible text is equally likely.
 * @throws ERR_BODY_INVALID as `checkPasswordSpec`; Error when the generator of the operating system fails.
 */
export function generatePassword(spec: PasswordSpec): string {
  checkPasswordSpec(spec);
  const alphabet = alphabetOf(spec);
  const required = requiredOf(spec);
  for (let draw = 0; draw < MOST_DRAWS; draw += 1) {
    const text = drawText(alphabet, lengthOf(spec));
    if (required.every((name) => CLASSES[name].test(text))) return text;
  }
  throw new Error('the random number generator draws no text as required');
}

/** Reports whether `text` could be a result of `generatePassword` for a spec that it accepts. */
export function fitsPasswordSpec(spec: PasswordSpec, text: string): boolean {
  const alphabet = new Set(alphabetOf(spec));
  return (
    text.length === lengthOf(spec) &&
    Array.from(text).every((character) => alphabet.has(character)) &&
    requiredOf(spec).every((name) => CLASSES[name].test(text))
  );
}

function lengthOf(spec: PasswordSpec): number {
  return spec.length ?? DEFAULT_LENGTH;
}

function requiredOf(spec: PasswordSpec): readonly CharacterClass[] {
  return [...new Set(spec.require ?? [])];
}

function alphabetOf(spec: PasswordSpec): string {
  const symbols = requiredOf(spec).includes('symbol') ? UNRESERVED : '';
  const alphabet = spec.alphabet ?? LETTERS_AND_DIGITS + symbols;
  const excluded = new Set(spec.exclude);
  return Array.from(alphabet)
    .filter((character) => !excluded.has(character))
    .join('');
}

function lengthProblems(spec: PasswordSpec): readonly Problem[] {
  const length = lengthOf(spec);
  if (Number.isInteger(length) && length >= 1 && length <= MOST_CHARACTERS) return [];
  return [{ pointer: '/length', message: `is a whole number from 1 to ${MOST_CHARACTERS}` }];
}

function alphabetProblems({ alphabet = '', exclude = '' }: PasswordSpec): readonly Problem[] {
  const unprintable = Object.entries({ alphabet, exclude })
    .filter(([, text]) => !PRINTABLE.test(text))
    .map(([name]) => ({ pointer: `/${name}`, message: 'is printable ASCII without the space' }));
  if (unprintable.length > 0 || new Set(alphabet).size === alphabet.length) return unprintable;
  return [{ pointer: '/alphabet', message: 'has a character twice' }];
}

function strengthProblems(spec: PasswordSpec): readonly Problem[] {
  const alphabet = alphabetOf(spec);
  if (alphabet === '') return [{ pointer: '/exclude', message: 'leaves no character' }];
  const required = requiredOf(spec);
  const absent = required.filter((name) => !CLASSES[name].test(alphabet));
  if (absent.length > 0) {
    return [{ pointer: '/require', message: `no character is left of: ${absent.join(', ')}` }];
  }
  const share = shareWithAll(alphabet, required, lengthOf(spec));
  if (share < LEAST_SHARE) {
    return [
      { pointer: '/require', message: 'is too seldom met by texts of this alphabet and length' },
    ];
  }
  const bits = lengthOf(spec) * Math.log2(alphabet.length) + Math.log2(share);
  if (bits >= LEAST_BITS) return [];
  const message = `gives ${Math.floor(bits)} bits of ${alphabet.length} characters; at least ${LEAST_BITS} are needed`;
  return [{ pointer: '/length', message }];
}

/** The share of all texts in which every class occurs, by inclusion and exclusion over the missing classes. */
function shareWithAll(
  alphabet: string,
  classes: readonly CharacterClass[],
  length: number,
): number {
  const shares = classes.map(
    (name) => Array.from(alphabet).filter((character) => CLASSES[name].test(character)).length,
  );
  let sum = 0;
  for (let missing = 0; missing < 2 ** shares.length; missing += 1) {
    const gone = shares.filter((_, index) => (missing >> index) & 1);
    const left = alphabet.length - gone.reduce((total, count) => total + count, 0);
    sum += (gone.length % 2 === 0 ? 1 : -1) * (left / alphabet.length) ** length;
  }
  return sum;
}

/** Draws characters. Bytes above the last whole multiple of the alphabet are drawn again: their remainder would favour its first characters. */
function drawText(alphabet: string, length: number): string {
  const unbiased = 256 - (256 % alphabet.length);
  let text = '';
  while (text.length < length) {
    for (const byte of randomBytes(2 * length)) {
      if (byte < unbiased && text.length < length) text += alphabet.charAt(byte % alphabet.length);
    }
  }
  return text;
}
