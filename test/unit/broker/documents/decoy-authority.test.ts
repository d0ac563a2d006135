import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { ClusterEditor } from '../../../../src/broker/access/cluster-editor.ts';
import { openAlert } from '../../../../src/features/alerts/alert-record.ts';
import { unconfirmedDecoys } from '../../../../src/features/alerts/decoys.ts';
import { applyDocument, deleteDocument } from '../../../../src/broker/documents/apply-document.ts';
import { authenticateDocument } from '../../../../src/broker/model/document.ts';
import { decoyOf } from '../../../../src/broker/recording/decoys.ts';
import { readSecret } from '../../../../src/broker/secrets/read-secrets.ts';
import { writeSecret } from '../../../../src/broker/secrets/write-secret.ts';
import { allRows } from '../../../../src/ports/queries.ts';
import { sha256Hex } from '../../../../src/crypto/hashes/digest.ts';
import { BrokerError } from '../../../../src/domain/errors.ts';
import type { LiveOperator } from '../../../../src/broker/state/operator-token-memory.ts';
import { TestBroker } from '../../../kit/broker/test-broker.ts';

const CUTS_OFF = { action: 'quarantine', scope: 'workload' };

let broker: TestBroker;
let admin: LiveOperator;
let editor: LiveOperator;
let responder: LiveOperator;
beforeAll(async () => {
  broker = await TestBroker.open();
  admin = await broker.seed();
  const own = { role: 'secret-editor', scope: ['app/team'] };
  editor = await broker.operator('editor', [own]);
  responder = await broker.operator('guard', [own, { role: 'responder' }]);
});
afterAll(() => broker.close());

function define(by: LiveOperator, name: string, body: object): Promise<void> {
  return broker.put(by, 'definition', `app/team/${name}`, body);
}

describe('a decoy of an editor without the role responder (RS22)', () => {
  it.each(['quarantine', 'revoke'])('is refused with the action %s', async (action) => {
    const refused = await define(editor, `lure-${action}`, { decoy: { action } }).catch(
      (error: unknown) => BrokerError.from(error),
    );
    expect(refused).toMatchObject({
      code: 'ERR_DENIED',
      reason: 'decoy_role',
      detail: expect.stringContaining(`"${action}" needs the role responder`),
    });
  });

  it('is refused if the role responder has a scope', async () => {
    const scoped = await broker.operator('scoped', [
      { role: 'secret-editor', scope: ['app/team'] },
      { role: 'responder', scope: ['app/team'] },
    ]);
    await expect(define(scoped, 'lure', { decoy: { action: 'revoke' } })).rejects.toMatchObject({
      code: 'ERR_DENIED',
    });
  });

  it('only raises an alert', async () => {
    await define(editor, 'plain', { decoy: { action: 'audit' } });
    await expect(
      define(editor, 'plain', { decoy: { action: 'quarantine' } }),
    ).rejects.toMatchObject({ code: 'ERR_DENIED' });
  });

  it('is refused in an object of a namespace', async () => {
    const facts = {
      cluster: 'c1',
      owner: 'kubernetes/c1/team/x',
      grants: [{ role: 'secret-editor' as const, scope: ['app/team'] }],
      policyPrefix: 'c1.team.',
    };
    const tenant = new ClusterEditor(facts, sha256Hex);
    await expect(
      define(tenant, 'object', { decoy: { action: 'quarantine' } }),
    ).rejects.toMatchObject({ code: 'ERR_DENIED', reason: 'decoy_role' });
    await define(tenant, 'object', { decoy: {} });
  });
});

describe('a decoy of a responder', () => {
  it('may cut off its readers, and stays when an editor changes something else', async () => {
    const decoy = { action: 'quarantine', scope: 'workload' };
    await define(responder, 'guarded', { decoy });
    await define(editor, 'guarded', { decoy, description: 'old backup' });
    await expect(
      define(editor, 'guarded', { decoy: { ...decoy, scope: 'pod' } }),
    ).rejects.toMatchObject({ code: 'ERR_DENIED' });
    await define(admin, 'guarded', { decoy: { ...decoy, scope: 'pod' } });
    await define(editor, 'guarded', {});
  });
});

/** Writes a definition as a release stored it that let every editor write decoys. */
async function defineEarlier(name: string, updatedBy: string): Promise<void> {
  const path = `app/team/${name}`;
  await define(responder, name, { decoy: CUTS_OFF });
  const document = broker.parts.catalog.find('definition', path)!;
  const earlier = { ...document, updatedBy, defaults: undefined };
  const { seq } = (await broker.store.real.commit({
    writes: [{ table: 'documents', put: authenticateDocument(broker.parts.rows, earlier) }],
    invalidates: [`document:definition/${path}`, `definition:${path}`],
  })) as { seq: number };
  await broker.parts.state.waitForChange(seq);
}

/** The action that a read of the decoy has. */
function powerOf(name: string): string | undefined {
  const definition = broker.parts.catalog.find('definition', `app/team/${name}`);
  return decoyOf(broker.parts, definition)?.action;
}

describe('a decoy of an earlier release, which any editor could write (RS22)', () => {
  afterEach(async () => {
    for (const { name } of broker.parts.catalog.all('definition'))
      await deleteDocument(broker.parts, broker.call(), admin, {
        kind: 'definition',
        name,
        precondition: { ifMatch: '*' },
      });
  });

  it('only raises an alert if its last writer is not a responder, and its readers are not cut off', async () => {
    await defineEarlier('old', 'editor');
    await writeSecret(broker.parts, broker.call(), admin, {
      path: 'app/team/old',
      data: { v: '1' },
    });
    const live = await broker.logIn();
    await readSecret(broker.parts, broker.call(), live, { path: 'app/team/old' });
    const [alert] = await broker.store.list(allRows('alerts'), { limit: 10 });
    expect(alert && openAlert(alert)).toMatchObject({
      source: 'decoy',
      state: 'kept',
      response: { action: 'audit' },
    });
  });

  it('keeps its power if its last writer is a responder', async () => {
    await defineEarlier('old-guarded', 'guard');
    expect(powerOf('old-guarded')).toBe('quarantine');
    await defineEarlier('old-person', 'oidc:corp/alice');
    expect(powerOf('old-person')).toBe('audit');
  });

  it('gets its power from a responder that applies the same definition, and from no other editor', async () => {
    await defineEarlier('old-lure', 'editor');
    const isAnyUnconfirmed = unconfirmedDecoys(broker.parts);
    expect(isAnyUnconfirmed()).toBe(true);
    await define(editor, 'old-lure', { decoy: CUTS_OFF, description: 'backup' });
    expect(powerOf('old-lure')).toBe('audit');
    await applyDocument(broker.parts, broker.call(), responder, {
      kind: 'definition',
      name: 'app/team/old-lure',
      body: { decoy: CUTS_OFF, description: 'backup' },
      precondition: { ifMatch: '*' },
      keepsSame: true,
    });
    expect(powerOf('old-lure')).toBe('quarantine');
    expect(isAnyUnconfirmed()).toBe(false);
    await define(editor, 'old-lure', { decoy: CUTS_OFF });
    expect(powerOf('old-lure')).toBe('quarantine');
  });
});
