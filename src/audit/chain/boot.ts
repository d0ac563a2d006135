import { randomId } from '../../crypto/random/random.ts';
import { generateSigningKey, type SigningKey } from '../../crypto/signatures/signing.ts';
import { bootMessage } from '../records/signed-messages.ts';

const RANDOM_CHARACTERS = 10;

/** One start of one process, before the log key endorsed it. Its private key exists only in the memory of this process. */
export interface UnendorsedBoot {
  readonly writer: string;
  readonly key: SigningKey;
  /** Raw public key, base64; for the `boot` fact of `broker.start`. */
  readonly publicKey: string;
}

/** One start of one process, as the log records it. */
export interface Boot extends UnendorsedBoot {
  /** The log key's signature over writer and public key, base64. */
  readonly endorsement: string;
}

/** A boot for a chain that begins before the log key can be opened. */
export function beginBoot(now: number): UnendorsedBoot {
  const key = generateSigningKey();
  const publicKey = Buffer.from(key.publicKey).toString('base64');
  return { writer: newWriterId(now), key, publicKey };
}

export function endorseBoot(boot: UnendorsedBoot, logKey: SigningKey): Boot {
  const message = bootMessage(boot.writer, boot.publicKey);
  return { ...boot, endorsement: logKey.sign(message).toString('base64') };
}

/** Makes the id of one boot: `w`, its time as nine base-36 digits so that later boots sort after earlier ones, and 50 random bits. */
export function newWriterId(now: number): string {
  const time = Math.floor(now).toString(36).padStart(9, '0');
  return `w${time}-${randomId('w').slice(2, 2 + RANDOM_CHARACTERS)}`;
}
