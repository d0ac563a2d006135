import { generateSigningKey, type SigningKey } from '../crypto/signing.ts';
import { bootMessage } from './signed-messages.ts';
import { newWriterId } from './writer-id.ts';

/** One start of one process, as the log records it. Its private key exists only in the memory of this process. */
export interface Boot {
  readonly writer: string;
  readonly key: SigningKey;
  /** Raw public key, base64; for the `boot` fact of `broker.start`. */
  readonly publicKey: string;
  /** The log key's signature over writer and public key, base64. */
  readonly endorsement: string;
}

export function createBoot(logKey: SigningKey, now: number): Boot {
  const writer = newWriterId(now);
  const key = generateSigningKey();
  const publicKey = Buffer.from(key.publicKey).toString('base64');
  const endorsement = logKey.sign(bootMessage(writer, publicKey)).toString('base64');
  return { writer, key, publicKey, endorsement };
}
