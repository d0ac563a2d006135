import { beginBoot, endorseBoot, type Boot } from '../../../src/audit/chain/boot.ts';
import type { SigningKey } from '../../../src/crypto/signatures/signing.ts';

/** A boot that the log key endorsed at once. */
export function createBoot(logKey: SigningKey, now: number): Boot {
  return endorseBoot(beginBoot(now), logKey);
}
