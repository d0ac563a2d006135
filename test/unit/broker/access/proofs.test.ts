import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  checkLogInProof,
  checkRequestProof,
  spendProof,
} from '../../../../src/broker/access/check-proof.ts';
import { isTarget } from '../../../../src/broker/access/check-proof.ts';
import type { ShownProof } from '../../../../src/broker/access/shown-proof.ts';
import { ProofMemory } from '../../../../src/broker/state/proof-memory.ts';
import { senderKey } from '../../../../src/crypto/keys/sender-key.ts';
import { BrokerError } from '../../../../src/domain/errors.ts';
import type { Session } from '../../../../src/domain/identity/principal.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';

interface Shown {
  readonly why: string;
  readonly kind: 'request' | 'logIn';
  readonly reason: string;
  readonly proof: string;
}

const VECTORS = JSON.parse(readFileSync('test/vectors/sealed-delivery-v1.json', 'utf8')) as {
  readonly key: { readonly x: string; readonly y: string };
  readonly token: string;
  readonly now: string;
  readonly request: { readonly method: string; readonly url: string };
  readonly logIn: { readonly method: string; readonly url: string };
  readonly accepted: readonly Shown[];
  readonly refused: readonly Shown[];
};

const clock = (): HandClock => new HandClock(Date.parse(VECTORS.now));
const session: Session = {
  kind: 'workload',
  id: 'ses_1',
  workload: { cluster: 'c', namespace: 'n', serviceAccount: 's', serviceAccountUid: 'u' },
  source: '10.0.0.1',
  clusterUid: 'doc_1',
  createdAt: 0,
  endsAt: 0,
  senderKey: senderKey(VECTORS.key),
};

function shownWith(text: string | undefined, kind: Shown['kind'] = 'request'): ShownProof {
  const { method, url } = VECTORS[kind];
  const { host, pathname } = new URL(url);
  return { text, isRepeated: false, method, schemes: ['https'], host, path: pathname };
}

/** Sends the proof to a broker that has seen none yet. */
function show({ kind, proof }: Pick<Shown, 'kind' | 'proof'>): string {
  const time = clock();
  const parts = { clock: time, proofs: new ProofMemory(time) };
  const shown = shownWith(proof, kind);
  return kind === 'logIn' ? checkLogInProof(parts, shown).thumbprint : spent(parts, shown);
}

function spent(
  parts: { readonly clock: HandClock; readonly proofs: ProofMemory },
  shown: ShownProof,
  by = session,
): string {
  const jti = checkRequestProof(parts, shown, by, VECTORS.token);
  spendProof(parts, { ...by, owner: 'w' }, jti);
  return jti;
}

function refusalOf(work: () => unknown): Pick<BrokerError, 'code' | 'reason'> | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    if (!(error instanceof BrokerError)) throw error;
    return { code: error.code, reason: error.reason };
  }
}

describe('a proof of possession', () => {
  it.each(VECTORS.accepted)('is accepted: $why', (vector) => {
    expect(show(vector)).not.toBe('');
  });

  it.each(VECTORS.refused)('is refused: $why ($reason) (O23)', (vector) => {
    const code = vector.kind === 'logIn' ? 'ERR_TOKEN_INVALID' : 'ERR_UNAUTHENTICATED';
    expect(refusalOf(() => show(vector))).toEqual({ code, reason: vector.reason });
  });

  it('is required exactly once', () => {
    const time = clock();
    const parts = { clock: time, proofs: new ProofMemory(time) };
    const reasonOf = (shown: ShownProof): string | undefined =>
      refusalOf(() => spent(parts, shown))?.reason;
    const proof = VECTORS.accepted[0]!.proof;
    expect(reasonOf(shownWith(undefined))).toBe('dpop_missing');
    expect(reasonOf({ ...shownWith(proof), isRepeated: true })).toBe('dpop_repeated');
  });

  it('is accepted for one request during its whole validity', () => {
    const time = clock();
    const parts = { clock: time, proofs: new ProofMemory(time) };
    const shown = shownWith(VECTORS.accepted[0]!.proof);
    const check = (): string => spent(parts, shown);
    expect(check()).toBe('vector-0001');
    for (const ms of [0, 30_000, 30_000]) {
      time.advance(ms);
      expect(refusalOf(check)?.reason).toBe('dpop_replayed');
    }
    time.advance(1_000);
    expect(refusalOf(check)?.reason).toBe('dpop_iat');
  });

  it('counts as new with a jti that another session used', () => {
    const time = clock();
    const parts = { clock: time, proofs: new ProofMemory(time) };
    const shown = shownWith(VECTORS.accepted[0]!.proof);
    for (const id of ['ses_1', 'ses_2']) {
      const jti = spent(parts, shown, { ...session, id });
      expect(jti).toBe('vector-0001');
    }
  });

  it('is not stored when it fails, so no caller can use up the jti of another', () => {
    const time = clock();
    const parts = { clock: time, proofs: new ProofMemory(time) };
    const forged = VECTORS.refused.find(({ reason }) => reason === 'dpop_signature')!;
    const { jti } = claimsOf(forged.proof);
    expect(refusalOf(() => spent(parts, shownWith(forged.proof)))?.reason).toBe('dpop_signature');
    expect(parts.proofs.remember({ ...session, owner: 'w' }, jti)).toBe('new');
  });

  it('is refused for now without room in memory, and accepted later', () => {
    const time = clock();
    const proofs = new ProofMemory(time, { ofSession: 1, ofOwner: 1, ofAll: 1 });
    proofs.remember({ ...session, owner: 'w' }, 'another');
    const shown = shownWith(VECTORS.accepted[0]!.proof);
    expect(refusalOf(() => spent({ clock: time, proofs }, shown))).toEqual({
      code: 'ERR_RATE_LIMITED',
      reason: 'dpop_memory',
    });
  });

  it('is refused for an unbound session', () => {
    const time = clock();
    const parts = { clock: time, proofs: new ProofMemory(time) };
    const unbound: Session = { ...session, senderKey: undefined };
    const shown = shownWith(VECTORS.accepted[0]!.proof);
    expect(refusalOf(() => spent(parts, shown, unbound))?.reason).toBe('dpop_unbound');
  });

  it('is refused with any one character changed', () => {
    const [{ proof }] = VECTORS.accepted as [Shown];
    const characters = fc.constantFrom(...Array.from('ABCxyz019-_.=+/ ,"{}\u0000é'));
    fc.assert(
      fc.property(fc.nat(proof.length - 1), characters, (at, character) => {
        fc.pre(proof[at] !== character);
        const changed = proof.slice(0, at) + character + proof.slice(at + 1);
        expect(refusalOf(() => show({ kind: 'request', proof: changed }))?.reason).toMatch(
          /^dpop_/,
        );
      }),
      { numRuns: 500 },
    );
  });

  it('is refused with a fixed reason of the broker, whatever its header, claims or text are', () => {
    const json = fc.oneof(
      fc.json(),
      fc.object().map((value) => JSON.stringify(value)),
    );
    const encoded = json.map((text) => Buffer.from(text).toString('base64url'));
    const header = fc.oneof(encoded, fc.constant(VECTORS.accepted[0]!.proof.split('.')[0]!));
    const compact = fc.tuple(header, encoded, encoded).map((all) => all.join('.'));
    fc.assert(
      fc.property(fc.oneof(fc.string(), compact), (proof) => {
        for (const kind of ['request', 'logIn'] as const) {
          expect(refusalOf(() => show({ kind, proof }))?.reason).toMatch(/^dpop_/);
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe('the target of a request', () => {
  const request = { schemes: ['https', 'http'], host: 'Broker.example:80', path: '/a/b' };

  it.each([
    'http://broker.example/a/b',
    'HTTP://BROKER.EXAMPLE:80/a/b',
    'https://broker.example:80/a/b',
  ])('is %s', (htu) => {
    expect(isTarget(htu, request)).toBe(true);
  });

  it.each([
    'https://broker.example/a/b',
    'ftp://broker.example/a/b',
    'http://broker.example.evil.example/a/b',
    'http://broker.example/a/b?',
    'http://broker.example\\@evil.example/a/b',
    'http:///a/b',
    ' http://broker.example/a/b',
    'http://broker.example/a/b\n',
  ])('is not %j', (htu) => {
    expect(isTarget(htu, request)).toBe(false);
  });
});

function claimsOf(proof: string): { readonly jti: string } {
  const [, claims = ''] = proof.split('.');
  return JSON.parse(Buffer.from(claims, 'base64url').toString()) as { jti: string };
}
