import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { authenticateDocument } from '../../../../src/broker/model/document.ts';
import type { LiveOperator } from '../../../../src/broker/state/operator-token-memory.ts';
import { parseSpec } from '../../../../src/broker/model/schema.ts';
import type { StoredDocument } from '../../../../src/broker/model/document.ts';
import { TestBroker } from '../../../kit/broker/test-broker.ts';
import { ImageSigner } from '../../../kit/images/image-signer.ts';

let broker: TestBroker;
let admin: LiveOperator;
beforeEach(async () => {
  broker = await TestBroker.open();
  admin = await broker.seed();
});
afterEach(() => broker.close());

const authorities = [{ name: 'ci', key: new ImageSigner().pem }];
const BODY = {
  mode: 'enforce',
  image: { signatures: [{ images: ['registry.test/prod/**'], authorities }] },
  vulnerabilities: { deny: ['CRITICAL'] },
  exposedSecrets: { deny: ['HIGH'] },
};

function answers(name: string): readonly (string | undefined)[] {
  const { image, vulnerabilities, exposedSecrets } = broker.parts.profiles.all.find(
    (each) => each.name === name,
  )!.spec;
  return [image.unmatched, vulnerabilities?.unknownSeverity, exposedSecrets?.unknownSeverity];
}

/** Stores a profile as a release without generations of defaults wrote it. */
async function storeEarlier(name: string, body: object): Promise<void> {
  const now = broker.clock.now();
  const document: StoredDocument<'posture-profile'> = {
    kind: 'posture-profile',
    name,
    uid: 'doc_1',
    version: 1,
    body,
    spec: parseSpec('posture-profile', body, 0),
    updatedAt: now,
    updatedBy: 'admin',
  };
  const put = authenticateDocument(broker.parts.rows, document);
  expect(put.defaults).toBeNull();
  const outcome = await broker.store.real.commit({
    writes: [{ table: 'documents', put }],
    invalidates: ['policies:all', `document:posture-profile/${name}`],
  });
  if (outcome.status === 'committed') await broker.parts.state.waitForChange(outcome.seq);
}

it('a new profile denies repositories that no rule names, and findings without a rating', async () => {
  await broker.put(admin, 'posture-profile', 'gate', BODY);
  expect(answers('gate')).toEqual(['deny', 'deny', 'deny']);
  broker = await broker.reopen();
  expect(answers('gate')).toEqual(['deny', 'deny', 'deny']);
  expect(broker.parts.profiles.hasEarlierDefaults).toBe(false);
});

it('a profile of an earlier release means what it meant, also after changes and restarts', async () => {
  await storeEarlier('gate', BODY);
  expect(answers('gate')).toEqual(['allow', 'allow', 'allow']);
  expect(broker.parts.profiles.hasEarlierDefaults).toBe(true);
  await broker.put(admin, 'posture-profile', 'gate', { ...BODY, description: 'changed' });
  expect(answers('gate')).toEqual(['allow', 'allow', 'allow']);
  broker = await broker.reopen();
  expect(answers('gate')).toEqual(['allow', 'allow', 'allow']);
  expect(broker.parts.profiles.hasEarlierDefaults).toBe(true);
});

it('a profile of an earlier release that says what it means is not reported', async () => {
  await storeEarlier('gate', {
    ...BODY,
    image: { ...BODY.image, unmatched: 'deny' },
    vulnerabilities: { deny: ['CRITICAL'], unknownSeverity: 'deny' },
    exposedSecrets: { deny: ['HIGH'], unknownSeverity: 'deny' },
  });
  expect(answers('gate')).toEqual(['deny', 'deny', 'deny']);
  expect(broker.parts.profiles.hasEarlierDefaults).toBe(false);
});
