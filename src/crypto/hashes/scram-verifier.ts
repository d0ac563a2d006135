import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import { randomBytes } from '../random/random.ts';

/** PostgreSQL's own default (scram_iterations); generated passwords have 112 bits and more, so a higher count adds nothing. */
const ITERATIONS = 4096;
const SALT_BYTES = 16;
const KEY_BYTES = 32;
/** RFC 3454 table C.1.2. */
const SPACES = /[\u00A0\u1680\u2000-\u200B\u202F\u205F\u3000]/gu;
/** Characters of RFC 3454 table B.1, which are removed; as code points, because the characters would combine with their neighbours here. */
const NOTHING = new Set([
  0xad, 0x34f, 0x1806, 0x180b, 0x180c, 0x180d, 0x200c, 0x200d, 0x2060, 0xfeff,
]);
const VARIATION_SELECTORS = { first: 0xfe00, last: 0xfe0f };

/**
 * The text that PostgreSQL stores instead of a password, and accepts in its place (RFC 5803; `SCRAM-SHA-256$<count>:<salt>$<StoredKey>:<ServerKey>`).
 * A reader of the statement or of the server's log cannot log in with it. The password may be in any script.
 */
export function scramVerifier(
  password: string,
  salt: Uint8Array = randomBytes(SALT_BYTES),
): string {
  const salted = pbkdf2Sync(prepare(password), salt, ITERATIONS, KEY_BYTES, 'sha256');
  const stored = createHash('sha256').update(keyOf(salted, 'Client Key')).digest('base64');
  const server = keyOf(salted, 'Server Key').toString('base64');
  return `SCRAM-SHA-256$${ITERATIONS}:${Buffer.from(salt).toString('base64')}$${stored}:${server}`;
}

/**
 * Applies SASLprep (RFC 4013) without its refusals, as the PostgreSQL driver does. The server and libpq use a password that SASLprep refuses
 * unchanged; the result differs only if the password also contains characters that are replaced.
 */
function prepare(password: string): string {
  const kept = Array.from(password.replace(SPACES, ' ')).filter((text) => {
    const point = text.codePointAt(0) ?? 0;
    const { first, last } = VARIATION_SELECTORS;
    return !NOTHING.has(point) && (point < first || point > last);
  });
  return kept.join('').normalize('NFKC');
}

function keyOf(salted: Uint8Array, purpose: 'Client Key' | 'Server Key'): Buffer {
  return createHmac('sha256', salted).update(purpose).digest();
}
