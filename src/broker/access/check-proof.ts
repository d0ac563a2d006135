import { statedNow } from '../../ports/clock.ts';
import { sha256 } from '../../crypto/hashes/digest.ts';
import { isJwsSignature } from '../../crypto/signatures/jws-signature.ts';
import { importSenderKey, senderKey } from '../../crypto/keys/sender-key.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { SenderKey } from '../../domain/identity/sender-key.ts';
import type { Storage } from '../state/dependencies.ts';
import { proofRefused } from './proof-refused.ts';
import { readProof, type Proof } from './read-proof.ts';
import type { ShownProof } from './shown-proof.ts';
import type { Holder, Proofs } from '../state/proof-memory.ts';

const PAST_MS = 60_000;
const FUTURE_MS = 5_000;
const RETRY_SECONDS = 10;

/**
 * The key that a login binds its session to. A replayed proof is accepted: it only binds one more session to a key that only its holder
 * has.
 * @throws ERR_TOKEN_INVALID
 */
export function checkLogInProof(parts: Pick<Storage, 'clock'>, shown: ShownProof): SenderKey {
  try {
    const proof = readShown(parts, shown);
    if (proof.ath !== undefined) throw proofRefused('dpop_ath');
    const key = senderKey(proof.key);
    requireSignature(proof, key);
    return key;
  } catch (error) {
    const { kind, reason = '' } = BrokerError.from(error);
    if (kind !== 'unauthenticated') throw error;
    throw new BrokerError('ERR_TOKEN_INVALID', undefined, { reason });
  }
}

/** A session and the key that it is bound to. */
interface Bound {
  readonly id: string;
  readonly senderKey?: SenderKey | undefined;
}

/**
 * Checks that the session's own key signed a proof for this request, now, and that the proof was not spent yet.
 * @returns its `jti`; the caller of this function must spend it before any action.
 * @throws ERR_UNAUTHENTICATED
 */
export function checkRequestProof(
  parts: Proofs & Pick<Storage, 'clock'>,
  shown: ShownProof,
  session: Bound,
  token: string,
): string {
  const key = session.senderKey;
  if (key === undefined) throw proofRefused('dpop_unbound');
  const proof = readShown(parts, shown);
  if (proof.ath !== sha256(token).toString('base64url')) throw proofRefused('dpop_ath');
  if (proof.key.x !== key.x || proof.key.y !== key.y) throw proofRefused('dpop_key');
  if (parts.proofs.knows(session.id, proof.jti)) throw proofRefused('dpop_replayed');
  requireSignature(proof, key);
  return proof.jti;
}

/**
 * Spends a proof, after the caller's rate limit was checked. A caller therefore cannot fill the memory faster than its rate allows. A
 * replayed proof does not count against that rate.
 * @throws ERR_UNAUTHENTICATED if it was used before; ERR_RATE_LIMITED if the memory of proofs is full.
 */
export function spendProof({ proofs }: Proofs, holder: Holder, jti: string): void {
  switch (proofs.remember(holder, jti)) {
    case 'new':
      return;
    case 'seen':
      throw proofRefused('dpop_replayed');
    case 'full':
      throw new BrokerError('ERR_RATE_LIMITED', undefined, {
        reason: 'dpop_memory',
        retryAfterSeconds: RETRY_SECONDS,
      });
  }
}

/** All cheap checks; the signature is verified last. */
function readShown({ clock }: Pick<Storage, 'clock'>, shown: ShownProof): Proof {
  if (shown.text === undefined) throw proofRefused('dpop_missing');
  if (shown.isRepeated) throw proofRefused('dpop_repeated');
  const proof = readProof(shown.text);
  if (proof.htm !== shown.method) throw proofRefused('dpop_htm');
  if (!isTarget(proof.htu, shown)) throw proofRefused('dpop_htu');
  const age = statedNow(clock) - proof.iat * 1000;
  if (age > PAST_MS || age < -FUTURE_MS) throw proofRefused('dpop_iat');
  return proof;
}

function requireSignature(proof: Proof, key: SenderKey): void {
  const imported = importSenderKey(key);
  if (imported === undefined) throw proofRefused('dpop_jwk');
  if (!isJwsSignature('ES256', imported, proof.signed)) throw proofRefused('dpop_signature');
}

const TARGET = /^(https?):\/\/([^/?#@\\\s]+)(\/[^?#]*)$/i;
const DEFAULT_PORTS: Readonly<Record<string, RegExp>> = { http: /:80$/, https: /:443$/ };

/**
 * Reports whether `htu` names the target of the request (RFC 9449 §4.3). Scheme and host are case-insensitive, and the scheme's
 * default port is optional (RFC 3986 §6.2.2, §6.2.3). The path must be identical to the one spelling that the broker serves, without escapes and dot
 * segments, so nothing needs decoding.
 */
export function isTarget(
  htu: string,
  { schemes, host, path }: Pick<ShownProof, 'schemes' | 'host' | 'path'>,
): boolean {
  const [, scheme = '', authority = '', target] = TARGET.exec(htu) ?? [];
  const spoken = scheme.toLowerCase();
  return (
    target === path &&
    schemes.includes(spoken) &&
    withoutDefaultPort(authority, spoken) === withoutDefaultPort(host, spoken)
  );
}

function withoutDefaultPort(authority: string, scheme: string): string {
  return authority.toLowerCase().replace(DEFAULT_PORTS[scheme] ?? '', '');
}
