import { randomBytes } from './random.ts';

/** `qms` marks the token of a workload's session, `qmo` the token of an operator, `qmw` a token that opens one wrapped answer, `qme` the code with which a cluster enrols. */
export type TokenPrefix = 'qms' | 'qmo' | 'qmw' | 'qme';

/** Characters in ASCII order. Scanners can match `[0-9A-Za-z]`, and a double click selects the whole token. */
const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
/** 43 characters of 62 are 256.03 bits. */
const BODY_LENGTH = 43;
/** Bytes of one draw: nearly always enough for a body, and each draw costs as much as a keyed hash. */
const DRAWN = BODY_LENGTH + 13;
const CHECKSUM_LENGTH = 6;
/** Bytes from here on are drawn again: the remainder of 62 would favour the first eight characters. */
const UNBIASED = 248;
const WELL_FORMED = /^qm[esow]_[0-9A-Za-z]{49}$/;
const PREFIX_LENGTH = 4;

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

/** CRC-32 (ISO 3309) of ASCII text. A checksum against typing errors and false alarms, not against an attacker. */
function crc32(text: string): number {
  let crc = 0xffffffff;
  for (let i = 0; i < text.length; i++) {
    crc = (CRC_TABLE[(crc ^ text.charCodeAt(i)) & 0xff] ?? 0) ^ (crc >>> 8);
  }
  return (crc ^ 0xffffffff) >>> 0;
}

function checksum(text: string): string {
  let rest = crc32(text);
  let digits = '';
  for (let i = 0; i < CHECKSUM_LENGTH; i++) {
    digits = BASE62.charAt(rest % 62) + digits;
    rest = Math.floor(rest / 62);
  }
  return digits;
}

function randomBody(): string {
  let body = '';
  while (body.length < BODY_LENGTH) {
    for (const byte of randomBytes(DRAWN)) {
      if (byte < UNBIASED && body.length < BODY_LENGTH) body += BASE62.charAt(byte % 62);
    }
  }
  return body;
}

/** Makes a bearer token of 53 characters (internals/spec/tokens-v1.md). A token has exactly one spelling. */
export function newToken(prefix: TokenPrefix): string {
  const text = `${prefix}_${randomBody()}`;
  return text + checksum(text);
}

/** Checks shape and checksum only, to refuse garbage before any keyed hash or look-up. */
export function isWellFormedToken(prefix: TokenPrefix, text: string): boolean {
  if (!WELL_FORMED.test(text) || !text.startsWith(prefix)) return false;
  const end = PREFIX_LENGTH + BODY_LENGTH;
  return checksum(text.slice(0, end)) === text.slice(end);
}
