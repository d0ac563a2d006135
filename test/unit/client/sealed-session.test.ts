import { inspect } from 'node:util';
import { afterEach, describe, expect, it } from '@jest/globals';
import { calculateJwkThumbprint, decodeJwt, decodeProtectedHeader } from 'jose';
import { BrokerClient, WorkloadSession } from '../../../src/client/index.ts';
import { encryptAnswer } from '../../../src/crypto/encryption/encrypted-answer.ts';
import { senderKey } from '../../../src/crypto/keys/sender-key.ts';
import type { SenderKey } from '../../../src/domain/identity/sender-key.ts';
import { json, problem, ScriptedBroker, type Step } from '../../kit/fakes/scripted-broker.ts';
import { findCanary } from '../../kit/checks/find-canary.ts';

const TOKEN = 'qms_0123456789abcdefghijABCDEFGHIJ0123456789abcdefghiX';
const DISCLOSURE = { path: 'a/b', version: '1', data: { k: 'canary-value' } };
const READ = { path: { path: 'a/b' } };
const SESSION = {
  id: 'ses_1',
  workload: { id: 'k8s://c/n/s', cluster: 'c', namespace: 'n', serviceAccount: 's' },
  createdAt: '2026-01-01T00:00:00.000Z',
  endsAt: '2026-01-01T01:00:00.000Z',
};

let broker: ScriptedBroker;
afterEach(() => broker.close());

/** The proof of the request of this number, and the key in it. */
function proofAt(index: number): { readonly id: string; readonly key: SenderKey } {
  const proof = String(broker.received[index]?.headers['dpop']);
  const { x = '', y = '' } = decodeProtectedHeader(proof).jwk ?? {};
  return { id: decodeJwt(proof).jti ?? '', key: senderKey({ x, y }) };
}

const opened = (keyThumbprint: string | undefined): Step =>
  json(201, { token: TOKEN, session: { ...SESSION, keyThumbprint } });
const bound: Step = (response, request) => opened(proofAt(0).key.thumbprint)(response, request);
/** Sealed to the session, as the answer to the request of this number. */
const sealedFor =
  (index: number): Step =>
  (response) => {
    const { id, key } = proofAt(index);
    void encryptAnswer(Buffer.from(JSON.stringify(DISCLOSURE)), { key, proofId: id }).then(
      (jwe) => {
        response.writeHead(200, { 'Content-Type': 'application/jose' }).end(jwe);
      },
    );
  };

async function logIn(...steps: readonly Step[]): Promise<WorkloadSession> {
  broker = await ScriptedBroker.start(...steps);
  const client = new BrokerClient({ url: broker.url, random: () => 0 });
  return WorkloadSession.logIn(client, { cluster: 'c', token: 'pod-token', sealed: true });
}

describe('a sealed session', () => {
  it('opens answers to it, and reveals its token and key to no caller', async () => {
    const session = await logIn(bound, sealedFor(1));
    expect((await session.client.call('readSecret', READ)).body).toEqual(DISCLOSURE);
    const text = inspect(session, { depth: 10, showHidden: true });
    expect(findCanary(TOKEN, { text })).toEqual([]);
    expect(broker.received.every(({ headers }) => !headers['dpop']?.includes('"d"'))).toBe(true);
  });

  it('creates a new proof for each attempt', async () => {
    const session = await logIn(bound, problem(503, 'ERR_BUSY'), sealedFor(2));
    await session.client.call('readSecret', READ);
    expect(new Set([0, 1, 2].map((index) => proofAt(index).id)).size).toBe(3);
  });

  it('is refused if the proof was removed on the way, or another key inserted', async () => {
    await expect(logIn(opened(undefined))).rejects.toMatchObject({ reason: 'not_ours' });
    await broker.close();
    const other = await calculateJwkThumbprint({ kty: 'EC', crv: 'P-256', x: 'a', y: 'b' });
    await expect(logIn(opened(other))).rejects.toMatchObject({ reason: 'not_ours' });
  });

  it('accepts no value that is not sealed', async () => {
    const session = await logIn(bound, json(200, DISCLOSURE));
    const failure: unknown = await session.client.call('readSecret', READ).catch((e: unknown) => e);
    expect(failure).toMatchObject({ reason: 'not_ours' });
    expect(findCanary('canary-value', { text: inspect(failure) })).toEqual([]);
  });

  it('accepts no answer that was sealed for another of its requests', async () => {
    const session = await logIn(bound, sealedFor(1), sealedFor(1));
    await session.client.call('readSecret', READ);
    await expect(session.client.call('readSecret', READ)).rejects.toMatchObject({
      reason: 'not_ours',
    });
  });
});
