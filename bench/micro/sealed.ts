import { systemClock } from '../../src/process/clock.ts';
import { checkRequestProof, spendProof } from '../../src/broker/access/check-proof.ts';
import { ProofMemory } from '../../src/broker/state/proof-memory.ts';
import { encryptAnswer } from '../../src/crypto/encryption/encrypted-answer.ts';
import { senderKey } from '../../src/crypto/keys/sender-key.ts';
import { newToken } from '../../src/crypto/random/token.ts';
import type { Session } from '../../src/domain/identity/principal.ts';
import { Sender } from '../../test/kit/identity/proof-sender.ts';

/** The broker's cost per request of a session that is bound to a key: `node bench/micro/sealed.ts`. */
const COUNT = 3_000;
const WARM_UP = 500;
const ANSWER = Buffer.from(JSON.stringify({ path: 'a/b', data: { value: 'x'.repeat(240) } }));

const sender = new Sender();
const token = newToken('qms');
const key = senderKey(sender.jwk);
const session: Session = {
  kind: 'workload',
  id: 'ses_1',
  workload: { cluster: 'c', namespace: 'n', serviceAccount: 's', serviceAccountUid: 'u' },
  source: '10.0.0.1',
  clusterUid: 'doc_1',
  createdAt: 0,
  endsAt: 0,
  senderKey: key,
};
const target = { method: 'GET', url: 'https://broker.test/api/v1/secrets/a/b', token };
const request = { method: 'GET', schemes: ['https'], host: 'broker.test', isRepeated: false };
const parts = { clock: systemClock, proofs: new ProofMemory(systemClock) };

async function measure(name: string, work: (index: number) => unknown): Promise<void> {
  for (let index = 0; index < WARM_UP; index += 1) await work(index);
  const before = process.cpuUsage();
  for (let index = WARM_UP; index < COUNT; index += 1) await work(index);
  const { user, system } = process.cpuUsage(before);
  console.log(`${name}: ${((user + system) / (COUNT - WARM_UP)).toFixed(0)} us of CPU`);
}

const proofs = Array.from({ length: COUNT }, () => sender.proof(target));
await measure('a proof checked and spent', (index) => {
  const shown = { ...request, text: proofs[index], path: '/api/v1/secrets/a/b' };
  const jti = checkRequestProof(parts, shown, session, token);
  spendProof(parts, { id: session.id, owner: 'w' }, jti);
});
await measure('an answer sealed', () => encryptAnswer(ANSWER, { key, proofId: 'a' }));
