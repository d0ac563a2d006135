import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  authenticate,
  sessionInMemory,
  authenticateSender,
} from '../../../../src/broker/access/authenticate.ts';
import { senderKeyOf } from '../../../../src/broker/access/call.ts';
import { logIn } from '../../../../src/broker/sessions/log-in.ts';
import type { Parts } from '../../../../src/features/feature.ts';
import type { ShownProof } from '../../../../src/broker/access/shown-proof.ts';
import { deliver } from '../../../../src/broker/secrets/encrypt-for-session.ts';
import { ProofMemory } from '../../../../src/broker/state/proof-memory.ts';
import { Sessions } from '../../../../src/broker/state/session-memory.ts';
import { ByteText } from '../../../../src/domain/words/byte-text.ts';
import { BrokerError } from '../../../../src/domain/errors.ts';
import type { Tables } from '../../../../src/ports/tables.ts';
import { TestBroker } from '../../../kit/broker/test-broker.ts';
import { Sender } from '../../../kit/identity/proof-sender.ts';
import { listRows } from '../../../kit/store/table-rows.ts';

let broker: TestBroker;
const sender = new Sender();
let token: string;
beforeAll(async () => {
  broker = await TestBroker.open();
  await broker.seed();
  token = await boundToken();
});
afterAll(() => broker.close());

function shown(method: string, path: string, sessionToken?: string, by = sender): ShownProof {
  const target = { method, url: `https://broker.test${path}` };
  const at = Math.floor(broker.clock.now() / 1000);
  const text = by.proof({
    ...target,
    at,
    ...(sessionToken !== undefined && { token: sessionToken }),
  });
  return { text, isRepeated: false, method, schemes: ['https'], host: 'broker.test', path };
}

async function boundToken(): Promise<string> {
  const request = { cluster: 'c1', token: broker.token(), proof: shown('POST', '/sessions') };
  return (await logIn(broker.parts, broker.call(), request)).token;
}

/** The same store with empty memory: a broker after its restart, or another replica. */
function another(): Parts {
  const { store, keyring, rows, digest, clock } = broker.parts;
  const sessions = new Sessions(store, { keyring, rows, digest });
  return { ...broker.parts, sessions, proofs: new ProofMemory(clock) };
}

const reasonOf = async (work: Promise<unknown>): Promise<string | undefined> => {
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return error instanceof BrokerError ? (error.reason ?? error.code) : undefined;
};

describe('a bound session', () => {
  it('needs its proof when it is loaded from the store, after a restart or at another broker (O23)', async () => {
    const parts = another();
    expect(await reasonOf(authenticate(parts, broker.call(), token))).toBe('dpop_scheme');
    const of = { token, known: undefined };
    const without = { ...shown('GET', '/x', token), text: undefined };
    expect(await reasonOf(authenticateSender(parts, broker.call(), of, without))).toBe(
      'dpop_missing',
    );
    const foreign = shown('GET', '/x', token, new Sender());
    expect(await reasonOf(authenticateSender(parts, broker.call(), of, foreign))).toBe('dpop_key');
    const { live } = await authenticateSender(parts, broker.call(), of, shown('GET', '/x', token));
    expect(senderKeyOf(live)?.thumbprint).toBe(await sender.thumbprint());
  });

  it('is refused without a proof when memory has it (O24)', async () => {
    const { parts } = broker;
    await authenticateSender(
      parts,
      broker.call(),
      { token, known: undefined },
      shown('GET', '/x', token),
    );
    expect(parts.sessions.cached(parts.sessions.hash(token))).toBeDefined();
    expect(sessionInMemory(parts, token)?.session.senderKey).toBeDefined();
    expect(await reasonOf(authenticate(parts, broker.call(), token))).toBe('dpop_scheme');
  });

  it('gets no value in the clear if the request had no proof (O25)', async () => {
    const live = await broker.parts.sessions.find(token);
    expect(() => deliver(ByteText.of('{}'), live, undefined)).toThrow('without a proof');
  });
});

describe('the row of a session', () => {
  const rowOf = async (sessionToken: string): Promise<Tables['sessions']> => {
    const hash = broker.parts.sessions.hash(sessionToken);
    const [row] = await listRows(broker.store, 'sessions', { equals: { hash }, limit: 1 });
    return row!;
  };

  it('cannot lose its key, and cannot get another or a first one', async () => {
    const bound = await rowOf(token);
    const unbound = await rowOf((await broker.openSession()).token);
    const { sessions } = broker.parts;
    expect(unbound.sender_key).toBeNull();
    expect(sessions.open(bound).senderKey).toBeDefined();
    expect(sessions.open(unbound).senderKey).toBeUndefined();
    const { x, y } = new Sender().jwk;
    const key = `{"crv":"P-256","kty":"EC","x":"${x}","y":"${y}"}`;
    for (const row of [
      { ...bound, sender_key: null },
      { ...bound, sender_key: key },
      { ...unbound, sender_key: key },
      { ...unbound, sender_key: '' },
    ]) {
      expect(() => sessions.open(row)).toThrow(
        expect.objectContaining({ code: 'ERR_CIPHERTEXT_INVALID' }),
      );
    }
  });

  it('is accepted unchanged if it was written before bound sessions existed', async () => {
    const unbound = await rowOf((await broker.openSession()).token);
    const columns = Object.entries(unbound).filter(
      ([name]) => name !== 'mac' && name !== 'sender_key',
    );
    const mac = broker.parts.rows.mac('sessions', Object.fromEntries(columns));
    expect(mac).toEqual(Buffer.from(unbound.mac));
  });
});
