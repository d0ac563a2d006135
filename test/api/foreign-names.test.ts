import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { ACCESS, type Operation, type OperationId } from '../../src/api/contract/access.ts';
import { ROLES, type Role } from '../../src/domain/identity/principal.ts';
import { policy, RunningApi } from '../kit/api/running-api.ts';

/** Roles that may be limited to one team. The others are for the whole installation. */
const OF_A_TEAM: readonly Role[] = ['secret-editor', 'secret-reader', 'rotator'];
const SCOPE = 'app/team-a';
const EXISTING: Readonly<Record<string, string>> = {
  policies: 'app',
  clusters: 'c1',
  mounts: 'app',
  operators: 'bob',
  'role-bindings': 'platform',
  'posture-profiles': 'gate',
  'response-rules': 'shells',
  quarantines: '',
  leases: '',
  approvals: '',
};
const ABSENT: Readonly<Record<string, string>> = {
  name: 'absent',
  path: 'app/team-b/absent',
  id: 'abc_00000000000000000000000000',
};
const FOREIGN_PATH = 'app/team-b/db';

let api: RunningApi;
const existing = new Map(Object.entries(EXISTING));

beforeAll(async () => {
  // On an idle machine the requests of this suite exceed the default rates.
  const open = { perSecond: 10_000, burst: 100_000 };
  api = await RunningApi.start({
    limits: { addressRate: open, denialRate: open, identityRate: open },
  });
  await api.seed();
  await api.operator('bob', [{ role: 'auditor' }]);
  await api.put('role-bindings/platform', {
    workloads: [{ clusters: ['c1'], namespaces: ['prod'], serviceAccounts: ['ci'] }],
    grants: [{ role: 'evidence-writer', scope: ['registry.test/b'] }],
  });
  await api.put('posture-profiles/gate', {
    mode: 'audit',
    vulnerabilities: { deny: ['CRITICAL'] },
  });
  await api.put('response-rules/shells', { order: 1, match: {}, action: 'audit', rotate: 'none' });
  await api.put('policies/more', policy('more', ['app/**'], ['read']));
  const written = await api.call('PUT', `/api/v1/secrets/${FOREIGN_PATH}`, {
    token: await api.logIn(),
    body: { data: { password: 'v' } },
    headers: { 'If-None-Match': '*' },
  });
  expect(written.status).toBe(201);
  const read = await api.call('GET', `/api/v1/secrets/${FOREIGN_PATH}`, {
    token: await api.logIn(),
  });
  existing.set('leases', (read.body.lease as { id: string }).id);
  const cut = await api.call('POST', '/api/v1/quarantines', {
    token: api.admin,
    body: { kind: 'operator', operator: 'oidc:corp/mallory', reason: 'test' },
  });
  existing.set('quarantines', (cut.body.quarantine as { id: string }).id);
  const asked = await api.call('POST', '/api/v1/approvals:break-glass', {
    token: await api.operator('eve', [{ role: 'auditor' }]),
    body: { role: 'secret-reader', scope: ['app'], reason: 'test' },
  });
  existing.set('approvals', asked.body.id as string);
}, 60_000);
afterAll(() => api.stop());

/** The place of an operation with one name in it, and with another that does not exist; undefined if nothing foreign exists there. */
function placesOf({ path }: Operation): readonly [string, string] | undefined {
  const [, collection = '', parameter = ''] =
    /^\/api\/v1\/([a-z-]+)\/\{(name|path|id)\}/.exec(path) ?? [];
  const name = parameter === 'path' ? FOREIGN_PATH : existing.get(collection);
  if (parameter === '' || name === undefined) return undefined;
  const rest = path.slice(`/api/v1/${collection}/{${parameter}}`.length);
  if (rest.includes('{')) return undefined;
  const at = (each: string): string => `/api/v1/${collection}/${each}${rest}`;
  return [at(name), at(ABSENT[parameter]!)];
}

/** Reports whether the role gives a right over what belongs to others. */
function maySee({ roles }: Operation, role: Role): boolean {
  return role === 'admin' || (roles.includes(role) && !OF_A_TEAM.includes(role));
}

/** The operations of operators whose path names something. */
const NAMING: readonly OperationId[] = [...ACCESS].flatMap(([id, operation]) => {
  const { who, path } = operation;
  const isOfOperators = who === 'operator' || who === 'caller';
  const hasName = /^\/api\/v1\/[a-z-]+\/\{(?:name|path|id)\}/.test(path);
  return isOfOperators && hasName ? [id] : [];
});

async function answerTo(token: string, { method }: Operation, path: string): Promise<string> {
  const headers = { 'If-Match': '*', 'Idempotency-Key': 'k' };
  const body = method === 'GET' || method === 'DELETE' ? undefined : {};
  const answer = await api.call(method, path, { token, headers, ...(body && { body }) });
  const problem = { ...answer.body, requestId: undefined };
  return JSON.stringify({ status: answer.status, problem });
}

it.each(ROLES.filter((role) => role !== 'admin'))(
  'tells an operator with the role %s nothing about the names of others (P18)',
  async (role) => {
    expect([...existing.values()].filter((name) => !name)).toEqual([]);
    const isOfTeam = OF_A_TEAM.includes(role);
    const scope = isOfTeam ? [SCOPE] : role === 'evidence-writer' ? ['registry.test/a'] : [];
    const token = await api.operator(`only-${role}`, [{ role, scope }]);
    const told: string[] = [];
    let compared = 0;
    for (const id of NAMING) {
      const operation = ACCESS.get(id)!;
      const places = placesOf(operation);
      if (places === undefined || maySee(operation, role)) continue;
      const [foreign, absent] = await Promise.all(
        places.map((place) => answerTo(token, operation, place)),
      );
      compared += 1;
      if (foreign !== absent) told.push(`${id}: ${foreign} ${absent}`);
    }
    expect(told).toEqual([]);
    expect(compared).toBeGreaterThan(30);
  },
);
