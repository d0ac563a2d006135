import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  approve,
  deny,
  listApprovals,
  readApproval,
  requestElevation,
  requireApprovals,
  withdraw,
} from '../../../../src/features/approvals/approvals.ts';
import { approvalWorker } from '../../../../src/features/approvals/approval-worker.ts';
import { applyDocument } from '../../../../src/broker/documents/apply-document.ts';
import { createCode } from '../../../../src/features/enrolments/enrolments.ts';
import { readSecret } from '../../../../src/broker/secrets/read-secrets.ts';
import { refreshCaller } from '../../../../src/broker/access/authenticate.ts';
import { createOperatorToken } from '../../../../src/broker/sessions/operator-tokens.ts';
import type { LiveOperator } from '../../../../src/broker/state/operator-token-memory.ts';
import type { ApprovalSubject, Elevation } from '../../../../src/domain/identity/approval.ts';
import { cluster, codeOf, TestBroker } from '../../../kit/broker/test-broker.ts';
import { records } from '../../../kit/store/hooked-store.ts';
import { countRows } from '../../../kit/store/table-rows.ts';

const HOUR = 3_600_000;
const ADMIN = { grants: [{ role: 'admin' }] };

let broker: TestBroker;
let root: LiveOperator;
let ann: LiveOperator;

beforeEach(async () => {
  broker = await TestBroker.open();
  root = await broker.seed();
  ann = await broker.operator('ann', [{ role: 'admin' }]);
  broker.backend.secrets.set('kv/db', { data: { v: '1' }, version: '1' });
});
afterEach(async () => broker.close());

const put = (name: string, body: object = ADMIN, by = root, isDryRun = false) =>
  applyDocument(broker.parts, broker.call(), by, {
    kind: 'operator',
    name,
    body,
    precondition: { ifMatch: undefined, ifNoneMatch: '*' },
    isDryRun,
  });
const mint = (operator: string, by = root, body: object = {}) =>
  createOperatorToken(broker.parts, broker.call(), by, { operator, body });
const require = (wanted: boolean | readonly ApprovalSubject[], by = root) => {
  const required = typeof wanted === 'boolean' ? (wanted ? (['admin'] as const) : []) : wanted;
  return requireApprovals(broker.parts, broker.call(), by, required);
};
const required = () => broker.parts.approvals.rule.required;
const decide =
  (what: typeof approve | typeof deny | typeof withdraw) =>
  (id: string, by = ann) =>
    what(broker.parts, broker.call(), by, { id });
const [approving, denying, withdrawing] = [decide(approve), decide(deny), decide(withdraw)];
const only = (): string => {
  const [approval, ...others] = broker.parts.approvals.inForce();
  expect(others).toEqual([]);
  return approval!.id;
};
const liveOf = async (token: string) =>
  (await broker.parts.tokens.find(token, broker.parts.catalog))!;
const again = (live: LiveOperator) => refreshCaller(broker.parts, live);
const exists = (name: string) => broker.parts.catalog.find('operator', name) !== undefined;

/** One round of the worker. */
async function round(): Promise<void> {
  const worker = approvalWorker(broker.parts);
  worker.start();
  for (let turns = 0; turns < 50; turns += 1) await new Promise((done) => setImmediate(done));
  await worker.stop();
}

describe('grants of admin', () => {
  it('need no approval in a new store, and cannot need one while there is only one admin', async () => {
    expect(await codeOf(put('bob'))).toBe('no error');
    await broker.remove(root, 'operator', 'bob');
    await broker.remove(root, 'operator', 'ann');
    expect(await codeOf(require(true))).toBe('ERR_CONFLICT');
    expect(required()).toEqual([]);
  });

  describe('that need an approval', () => {
    beforeEach(() => require(true));

    it('are requested by the first call, and made by the same call after the approval, once', async () => {
      const entries = await broker.entriesOf(async () => {
        expect(await codeOf(put('bob'))).toBe('ERR_APPROVAL_REQUIRED');
        expect(await codeOf(put('bob'))).toBe('ERR_APPROVAL_REQUIRED');
        expect(exists('bob')).toBe(false);
        await approving(only());
        expect(exists('bob')).toBe(false);
        await put('bob');
      });
      expect(exists('bob')).toBe(true);
      expect(entries.map(({ action, outcome }) => `${action} ${outcome}`)).toEqual([
        'approval.request ok',
        'document.write deny',
        'document.write deny',
        'approval.approve ok',
        'approval.use ok',
        'document.write ok',
      ]);
      expect(await countRows(broker.parts.store, 'approvals', {})).toBe(1);
      await broker.remove(root, 'operator', 'bob');
      expect(await codeOf(put('bob'))).toBe('ERR_APPROVAL_REQUIRED');
    });

    it('are not approved by the requester, by another token of it, or by an operator without admin (O46)', async () => {
      await codeOf(put('bob'));
      const { token } = await mint('root');
      const other = await broker.parts.tokens.find(token, broker.parts.catalog);
      expect(await codeOf(approving(only(), root))).toBe('ERR_CONFLICT');
      expect(await codeOf(approving(only(), other))).toBe('ERR_CONFLICT');
      const eve = await broker.operator('eve', [{ role: 'responder' }]);
      expect(await codeOf(approving(only(), eve))).toBe('ERR_DENIED');
      expect(await codeOf(put('bob'))).toBe('ERR_APPROVAL_REQUIRED');
    });

    it('are approved for exactly this change of this document by this requester (O46)', async () => {
      await codeOf(put('bob'));
      await approving(only());
      const wider = { grants: [{ role: 'admin' }, { role: 'secret-reader' }] };
      expect(await codeOf(put('bob', wider))).toBe('ERR_APPROVAL_REQUIRED');
      expect(await codeOf(put('eve'))).toBe('ERR_APPROVAL_REQUIRED');
      expect(await codeOf(put('bob', ADMIN, ann))).toBe('ERR_APPROVAL_REQUIRED');
      expect(exists('bob')).toBe(false);
    });

    it('include tokens of other admins, but not those that an admin makes for itself', async () => {
      expect(await codeOf(mint('ann'))).toBe('ERR_APPROVAL_REQUIRED');
      expect(await codeOf(mint('ann', root, { grants: [{ role: 'auditor' }] }))).toBe('no error');
      expect(await codeOf(mint('root'))).toBe('no error');
      await approving(only());
      expect(await codeOf(mint('ann'))).toBe('no error');
      expect(await codeOf(mint('ann'))).toBe('ERR_APPROVAL_REQUIRED');
    });

    it('give nothing to a token that the requester minted before the promotion (O44)', async () => {
      const evil = await broker.operator('evil', [{ role: 'admin' }]);
      const auditor = { grants: [{ role: 'auditor' }] };
      await put('puppet', auditor, evil);
      const texts = [await mint('puppet', evil), await mint('puppet', evil, ADMIN)];
      const promote = () => {
        const { version, uid } = broker.parts.catalog.find('operator', 'puppet')!;
        return applyDocument(broker.parts, broker.call(), evil, {
          kind: 'operator',
          name: 'puppet',
          body: ADMIN,
          precondition: { ifMatch: `"${uid}.${version}"` },
        });
      };
      expect(await codeOf(promote())).toBe('ERR_APPROVAL_REQUIRED');
      await approving(only());
      await promote();
      expect(await codeOf(put('third', ADMIN, evil))).toBe('ERR_APPROVAL_REQUIRED');
      for (const { token } of texts) {
        const puppet = (await broker.parts.tokens.find(token, broker.parts.catalog))!;
        expect(await codeOf(approving(only(), puppet))).toBe('ERR_DENIED');
        expect(await codeOf(require(false, puppet))).toBe('ERR_DENIED');
      }
    });

    it('are not requested by a dry run', async () => {
      expect(await codeOf(put('bob', ADMIN, root, true))).toBe('no error');
      expect(broker.parts.approvals.all()).toEqual([]);
    });

    it('are not made if the approval is denied or withdrawn while the change commits', async () => {
      for (const end of [() => denying(only()), () => withdrawing(only(), root)]) {
        await codeOf(put('bob'));
        await approving(only());
        broker.store.once(records('document.write'), end);
        expect(await codeOf(put('bob'))).toBe('ERR_VERSION_CONFLICT');
        expect(exists('bob')).toBe(false);
      }
    });

    it('are not made if the approval expires while the change commits', async () => {
      await codeOf(put('bob'));
      await approving(only());
      broker.store.once(records('document.write'), () => broker.clock.advance(HOUR));
      expect(await codeOf(put('bob'))).toBe('ERR_APPROVAL_REQUIRED');
      expect(exists('bob')).toBe(false);
    });

    it('are made once if the approval is used twice at once', async () => {
      await codeOf(mint('ann'));
      await approving(only());
      const both = await Promise.all([codeOf(mint('ann')), codeOf(mint('ann'))]);
      expect(both.filter((code) => code === 'no error')).toHaveLength(1);
    });

    it('are not approved after a withdrawal that commits first, and not twice', async () => {
      await codeOf(put('bob'));
      const id = only();
      broker.store.once(records('approval.approve'), () => withdrawing(id, root));
      expect(await codeOf(approving(id))).toBe('ERR_NOT_FOUND');
      await codeOf(put('bob'));
      await approving(only());
      expect(await codeOf(approving(only()))).toBe('ERR_CONFLICT');
    });

    it('stop needing an approval only with an approval (O46)', async () => {
      expect(await codeOf(require(false))).toBe('ERR_APPROVAL_REQUIRED');
      expect(required()).toEqual(['admin']);
      await approving(only());
      await require(false);
      expect(required()).toEqual([]);
      expect(await codeOf(put('bob'))).toBe('no error');
    });

    it('need one for more roles and for clusters if the rule names them (O46)', async () => {
      await require(['admin', 'secret-reader', 'secret-editor:unscoped', 'cluster']);
      const change = (name: string, ...grants: readonly object[]) => {
        const { uid, version } = broker.parts.catalog.find('operator', name)!;
        return applyDocument(broker.parts, broker.call(), root, {
          kind: 'operator',
          name,
          body: { grants },
          precondition: { ifMatch: `"${uid}.${version}"` },
        });
      };
      const register = (more: object) => broker.put(root, 'cluster', 'c1', cluster(more));
      const REQUIRED = 'ERR_APPROVAL_REQUIRED';
      await broker.operator('lone', [{ role: 'admin' }]);
      for (const [work, code] of [
        [() => change('lone', { role: 'admin' }, { role: 'secret-reader' }), REQUIRED],
        [
          () => change('lone', { role: 'admin' }, { role: 'secret-reader', scope: ['a'] }),
          REQUIRED,
        ],
        [() => change('lone', { role: 'admin' }, { role: 'secret-editor' }), REQUIRED],
        [
          () => change('lone', { role: 'admin' }, { role: 'secret-editor', scope: ['a'] }),
          'no error',
        ],
        [() => change('lone', { role: 'admin' }, { role: 'auditor' }), 'no error'],
        [() => put('reader', { grants: [{ role: 'secret-reader' }] }), REQUIRED],
        [() => register({ issuer: 'https://evil.test' }), REQUIRED],
        [() => register({ maxTokenLifetime: '1h' }), 'no error'],
        [() => broker.put(root, 'cluster', 'c2', cluster()), REQUIRED],
      ] as const) {
        expect(await codeOf(work())).toBe(code);
      }
      await broker.operator('reads', [{ role: 'secret-reader' }]);
      expect(await codeOf(mint('reads'))).toBe(REQUIRED);
      expect(await codeOf(mint('reads', root, { grants: [] }))).toBe('no error');
    });

    it('keep their approval for a scope that grows', async () => {
      await require(['admin', 'secret-reader']);
      await broker.operator('reads', [{ role: 'secret-reader', scope: ['a', 'b'] }]);
      const scoped = (...scope: readonly string[]) =>
        codeOf(
          broker.put(root, 'operator', 'reads', { grants: [{ role: 'secret-reader', scope }] }),
        );
      expect(await scoped('a', 'c')).toBe('ERR_APPROVAL_REQUIRED');
      expect(await scoped('a/x')).toBe('no error');
      expect(await scoped('a')).toBe('ERR_APPROVAL_REQUIRED');
    });

    it('demand more at once, and less only with an approval (O46)', async () => {
      await require(['admin', 'cluster', 'secret-editor']);
      expect(await codeOf(require(['admin', 'cluster', 'secret-editor', 'auditor']))).toBe(
        'no error',
      );
      for (const less of [[], ['admin'], ['admin', 'auditor', 'cluster', 'secret-editor:unscoped']])
        expect(await codeOf(require(less as ApprovalSubject[]))).toBe('ERR_APPROVAL_REQUIRED');
      expect(required()).toEqual(['admin', 'auditor', 'cluster', 'secret-editor']);
      const wish = broker.parts.approvals
        .inForce()
        .find(({ what }) => JSON.stringify(what).includes('"required":[]'));
      expect(wish!.what).toMatchObject({ change: { kind: 'approvals', name: 'required' } });
      await approving(wish!.id);
      expect(await codeOf(require([]))).toBe('no error');
      expect(required()).toEqual([]);
    });

    it('are bounded for each requester', async () => {
      for (let n = 0; n < 10; n += 1) {
        expect(await codeOf(put(`bob-${n}`))).toBe('ERR_APPROVAL_REQUIRED');
      }
      expect(await codeOf(put('bob-10'))).toBe('ERR_CONFLICT');
      expect(await codeOf(put('eve', ADMIN, ann))).toBe('ERR_APPROVAL_REQUIRED');
      const open = broker.parts.approvals.all().find(({ requester }) => requester === 'root');
      await withdrawing(open!.id, root);
      expect(await codeOf(put('bob-10'))).toBe('ERR_APPROVAL_REQUIRED');
    });

    it('are refused by the rule that commits while they are decided', async () => {
      await codeOf(require(false));
      await approving(only());
      await require(false);
      broker.store.once(records('document.write'), () => require(true));
      expect(await codeOf(put('bob'))).toBe('ERR_APPROVAL_REQUIRED');
      expect(exists('bob')).toBe(false);
    });

    it('are still known after a restart', async () => {
      await codeOf(put('bob'));
      const id = only();
      broker = await broker.reopen();
      expect(required()).toEqual(['admin']);
      expect(only()).toBe(id);
    });
  });

  it('need an approval if the people of a role binding with admin change', async () => {
    const { parts } = broker;
    (parts.people.issuers as Map<string, unknown>).set('corp', {});
    const bind = (body: object, create = false) =>
      applyDocument(parts, broker.call(), root, {
        kind: 'role-binding',
        name: 'sre',
        body,
        precondition: create ? { ifNoneMatch: '*' } : { ifMatch: '*' },
      });
    const binding = { issuer: 'corp', subjects: ['a'], grants: [{ role: 'admin' }] };
    await bind(binding, true);
    await require(true);
    expect(await codeOf(bind({ ...binding, description: 'sre' }))).toBe('no error');
    expect(await codeOf(bind({ ...binding, subjects: ['a', 'b'] }))).toBe('ERR_APPROVAL_REQUIRED');
    expect(await codeOf(bind({ ...binding, grants: [{ role: 'auditor' }] }))).toBe('no error');
    expect(await codeOf(bind(binding))).toBe('ERR_APPROVAL_REQUIRED');
  });
});

describe('break-glass', () => {
  const READER: Elevation = {
    grant: { role: 'secret-reader', scope: ['kv'] },
    seconds: 600,
    reason: 'INC-7',
  };
  let eve: LiveOperator;
  beforeEach(async () => {
    eve = await broker.operator('eve', [{ role: 'auditor' }]);
  });
  const request = (elevation = READER, by = eve) =>
    requestElevation(broker.parts, broker.call(), by, elevation);
  const read = (by = eve, path = 'kv/db') => readSecret(broker.parts, broker.call(), by, { path });

  it('gives the role to the session that requested it, until its end, and records each step (O45)', async () => {
    const entries = await broker.entriesOf(async () => {
      const { id } = await request();
      expect(await codeOf(read())).toBe('ERR_DENIED');
      await approving(id);
      expect(await codeOf(read())).toBe('no error');
      expect(await codeOf(read(eve, 'dyn/db'))).toBe('ERR_DENIED');
      broker.clock.advance(599_999);
      expect(await codeOf(read())).toBe('no error');
      broker.clock.advance(1);
      expect(await codeOf(read())).toBe('ERR_DENIED');
      await round();
    });
    const steps = entries.filter(({ action }) => action.startsWith('approval'));
    expect(steps).toMatchObject([
      { action: 'approval.request', requestedBy: 'eve', comment: 'INC-7' },
      { action: 'approval.approve', requestedBy: 'eve', actor: { id: 'ann' } },
      { action: 'approval.expire', requestedBy: 'eve', cause: 'ended' },
    ]);
    expect(await countRows(broker.parts.store, 'approvals', {})).toBe(0);
    expect(await codeOf(again(eve))).toBe('no error');
  });

  it('is not approved by the operator that created the token that requested it (O43)', async () => {
    const { token } = await mint('eve', ann);
    const puppet = (await broker.parts.tokens.find(token, broker.parts.catalog))!;
    const { id } = await request(READER, puppet);
    expect(await codeOf(approving(id, ann))).toBe('ERR_CONFLICT');
    expect(await codeOf(approving(id, root))).toBe('no error');
  });

  it('is not approved with a token that the requester created, also by another token (O43)', async () => {
    const ed = await broker.operator('ed', [{ role: 'admin' }]);
    await request(READER, ed);
    const { token: own } = await mint('root', ed);
    const { token: middle } = await mint('ann', ed);
    const { token: last } = await mint('root', await liveOf(middle));
    const { token: same } = await mint('root', await liveOf(last));
    for (const text of [own, last, same]) {
      expect(await codeOf(approving(only(), await liveOf(text)))).toBe('ERR_CONFLICT');
    }
    expect(await codeOf(approving(only(), root))).toBe('no error');
  });

  it('does not elevate another token of the same operator', async () => {
    const { token } = await mint('eve');
    const other = await broker.parts.tokens.find(token, broker.parts.catalog);
    await approving((await request()).id);
    expect(await codeOf(read(other))).toBe('ERR_DENIED');
  });

  it('ends for a read in flight when it is denied, withdrawn or over', async () => {
    const ends = [
      (id: string) => denying(id),
      (id: string) => withdrawing(id, eve),
      () => {
        broker.clock.advance(600_000);
        return Promise.resolve();
      },
    ];
    for (const end of ends) {
      const { id } = await request();
      await approving(id);
      broker.store.once(records('secret.read'), () => end(id));
      expect(await codeOf(read())).toBe('ERR_DENIED');
    }
  });

  it('is not approved by its requester, by an elevated admin, after an hour, or for an ended session', async () => {
    const asked = await request({ ...READER, grant: { role: 'admin', scope: [] } });
    await approving(asked.id);
    const elevated = await again(eve);
    expect(elevated.operator.grants).toContainEqual({ role: 'admin', scope: [] });
    const bob = await broker.operator('bob', [{ role: 'auditor' }]);
    const { id } = await request(READER, bob);
    expect(await codeOf(approving(id, bob))).toBe('ERR_DENIED');
    expect(await codeOf(approving(id, elevated))).toBe('ERR_DENIED');
    broker.clock.advance(HOUR);
    expect(await codeOf(approving(id))).toBe('ERR_NOT_FOUND');
    const own = await request(READER, ann);
    expect(await codeOf(approving(own.id, ann))).toBe('ERR_CONFLICT');
    const late = await request(READER, bob);
    await broker.parts.store.commit({
      writes: [{ table: 'operator_tokens', remove: { id: bob.operator.tokenId } }],
    });
    expect(await codeOf(approving(late.id))).toBe('ERR_CONFLICT');
  });

  it('leaves no rights behind: an elevation to admin changes no operators, and makes no tokens and no codes of clusters (O45)', async () => {
    const { id } = await request({ ...READER, grant: { role: 'admin', scope: [] } });
    await approving(id);
    const elevated = await again(eve);
    expect(await codeOf(put('mallory', ADMIN, elevated))).toBe('ERR_DENIED');
    expect(await codeOf(mint('eve', elevated))).toBe('ERR_DENIED');
    const code = (by: LiveOperator) => createCode(broker.parts, broker.call(), by, 'none');
    expect(await codeOf(code(elevated))).toBe('ERR_DENIED');
    expect(await codeOf(code(ann))).toBe('ERR_NOT_FOUND');
    expect(await codeOf(require(true, elevated))).toBe('ERR_DENIED');
  });

  it('is refused for a role that the caller has, and bounded', async () => {
    expect(await codeOf(request({ ...READER, grant: { role: 'auditor', scope: [] } }))).toBe(
      'ERR_CONFLICT',
    );
    for (let n = 0; n < 10; n += 1) await request();
    expect(await codeOf(request())).toBe('ERR_CONFLICT');
    broker.clock.advance(HOUR);
    await round();
    expect(await codeOf(request())).toBe('no error');
  });

  it('is seen by its requester and by those who decide or watch', async () => {
    const { id } = await request();
    const bob = await broker.operator('bob', [{ role: 'rotator' }]);
    const list = async (by: LiveOperator) =>
      (await listApprovals(broker.parts, broker.call(), by)).items.length;
    expect([await list(eve), await list(bob), await list(ann)]).toEqual([1, 0, 1]);
    const show = (by: LiveOperator) => readApproval(broker.parts, broker.call(), by, id);
    expect(await codeOf(show(bob))).toBe('ERR_NOT_FOUND');
    expect(await codeOf(withdrawing(id, bob))).toBe('ERR_NOT_FOUND');
    expect((await show(eve)).approval.requester).toBe('eve');
  });
});
