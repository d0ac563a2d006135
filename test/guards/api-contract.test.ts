import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { testMetrics } from '../kit/api/test-metrics.ts';
import { ACCESS } from '../../src/api/contract/access.ts';
import { PathTemplate } from '../../src/api/contract/path-template.ts';
import { coreRoutes } from '../../src/api/routes/index.ts';
import { OPTION_ROUTES } from '../../src/features/options.ts';
import { ERRORS } from '../../src/domain/errors.ts';
import { contractCodes, contractOperations } from '../kit/api/openapi-contract.ts';

const routes = {
  ...OPTION_ROUTES,
  ...coreRoutes({
    unready: () => [],
    held: () => [],
    warnings: () => [],
    status: () => Promise.reject(new Error('no broker runs')),
    activity: () => ({ age: 0, logins: [], reads: [], refusals: [] }),
    metrics: testMetrics(),
    servesMetrics: true,
    openApi: () => '{}',
  }),
};

/** Operations that change nothing; a body has their question. */
const READS: ReadonlySet<string> = new Set([
  'readSecrets',
  'validatePolicy',
  'explainDecision',
  'explainEntry',
  'replayPolicies',
  'explainPosture',
  'surveyPosture',
  'checkMount',
  'checkCluster',
  'traceAudit',
]);

const KEPT = 'the broker keeps the versions before it';
const PROTECTS = 'it must work at once during an attack, and can be undone';
const OWN = 'it takes a right only from the caller, or from a request of the caller';

/** Changes for which a person needs no recent login, and why. */
const NO_STEP_UP: Readonly<Record<string, string>> = {
  writeSecret: KEPT,
  patchSecret: KEPT,
  describeSecret: 'it changes texts that give no right, and no value',
  drillRotation: 'it never promotes the credential that it creates',
  retryRotation: 'it repeats a step of a rotation that was decided before',
  retryRevocation: 'it repeats a revocation that was decided before',
  createQuarantine: PROTECTS,
  endPersonLogins: PROTECTS,
  revokeOperatorToken: 'it must work at once for a token that leaked, and ends one session only',
  approveAlert: PROTECTS,
  denyRequest: 'it grants nothing, and only ends rights',
  withdrawRequest: OWN,
  endOwnLogin: OWN,
  pushAttestation: 'a statement counts by its signer, not by its sender',
  beginSecurityKey: 'it grants nothing',
  finishSecurityKey: 'it is the proof itself; registering a key demands a recent login there',
  createBackup: 'only the recipients of the configuration can read it',
  recordDrill: 'it grants nothing, and only adds an entry',
  reloadConfiguration: 'it reads a file that only the host of the broker can change',
};

describe('the contract, the access table and the routes', () => {
  it('have the same operations at the same places', () => {
    const rows = [...ACCESS].map(([id, { method, path }]) => `${id} ${method} ${path}`);
    const described = contractOperations.map(({ id, method, path }) => `${id} ${method} ${path}`);
    expect(described.sort()).toEqual([...rows].sort());
    expect(Object.keys(routes).sort()).toEqual([...ACCESS.keys()].sort());
  });

  it('mark the parameters that span slashes', () => {
    for (const { id, path, parameters } of contractOperations) {
      const marked = parameters.filter((each) => each['x-multi-segment'] === true);
      const names = marked.map(({ name }) => name);
      expect({ id, names }).toEqual({ id, names: path.includes('{path}') ? ['path'] : [] });
    }
  });

  it('name the query parameters that the routes read', () => {
    for (const { id, parameters } of contractOperations) {
      const read = routes[id as keyof typeof routes].query ?? [];
      const described = parameters.filter((each) => each.in === 'query').map(({ name }) => name);
      expect({ id, query: described.sort() }).toEqual({ id, query: [...read].sort() });
    }
  });

  it('record every operation that reveals data', () => {
    const unrecorded = [...ACCESS.values()].filter(({ action }) => action === undefined);
    const paths = unrecorded.map(({ path }) => path);
    expect(paths).toEqual([
      '/second-factor',
      '/second-factor.js',
      '/',
      '/healthz',
      '/readyz',
      '/api/v1/status',
      '/metrics',
      '/openapi.json',
    ]);
  });

  it('require a token for every recorded operation except logins, alerts, enrolments and public tiles', () => {
    const open = [...ACCESS].filter(([, { who, action }]) => who === 'public' && action);
    expect(open.map(([id]) => id)).toEqual([
      'createSession',
      'receiveAlert',
      'joinCluster',
      'beginPersonLogin',
      'finishPersonLogin',
      'readPublicCheckpoint',
      'readPublicTile',
    ]);
  });

  it('demand a recent login of a person for every change, except those with a reason', () => {
    const changes = [...ACCESS].filter(
      ([id, { method, who }]) =>
        method !== 'GET' && who !== 'public' && who !== 'workload' && !READS.has(id),
    );
    const exempt = changes.filter(([, { stepUp }]) => stepUp === 'never');
    expect(exempt.map(([id]) => id).sort()).toEqual(Object.keys(NO_STEP_UP).sort());
  });

  it('map no path to two operations', () => {
    for (const [id, { method, path }] of ACCESS) {
      const sample = path.replaceAll('{path}', 'a/b').replaceAll(/\{\w+\}/g, 'x');
      const matching = [...ACCESS].filter(
        ([, row]) => row.method === method && new PathTemplate(row.path).matcher.test(sample),
      );
      expect(matching.map(([name]) => name)).toEqual([id]);
    }
  });
});

describe('the error codes', () => {
  it('are the same in the code, the contract and the documentation', () => {
    const page = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8');
    const documented = [...page.matchAll(/^### (ERR_[A-Z_]+)$/gm)].map(([, code]) => code);
    expect(documented.sort()).toEqual(Object.keys(ERRORS).sort());
    expect([...contractCodes].sort()).toEqual(Object.keys(ERRORS).sort());
  });
});
