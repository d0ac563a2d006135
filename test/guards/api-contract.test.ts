import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { Registry } from 'prom-client';
import { ACCESS } from '../../src/api/access.ts';
import { PathTemplate } from '../../src/api/path-template.ts';
import { allRoutes } from '../../src/api/routes/index.ts';
import { ERRORS } from '../../src/domain/errors.ts';
import { contractCodes, contractOperations } from '../kit/openapi-contract.ts';

const routes = allRoutes({
  unready: () => [],
  held: () => [],
  warnings: () => [],
  metrics: new Registry(),
  servesMetrics: true,
  openApi: () => '{}',
});

describe('the contract, the access table and the routes', () => {
  it('have the same operations at the same places', () => {
    const rows = [...ACCESS].map(([id, { method, path }]) => `${id} ${method} ${path}`);
    const described = contractOperations.map(({ id, method, path }) => `${id} ${method} ${path}`);
    expect(described.sort()).toEqual([...rows].sort());
    expect(Object.keys(routes).sort()).toEqual([...ACCESS.keys()].sort());
  });

  it('agree on the permitted callers', () => {
    for (const { id, who, roles, isPublic } of contractOperations) {
      const row = ACCESS.get(id as never);
      expect({ id, who, roles }).toEqual({ id, who: row?.who, roles: row?.roles });
      expect(isPublic).toBe(row?.who === 'public');
    }
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
      const described = parameters.flatMap(({ name, in: where, $ref }) => {
        if (where === 'query') return [name];
        const shared = /\/(limit|after)$/.exec($ref ?? '');
        return shared === null ? [] : [shared[1]];
      });
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
      '/metrics',
      '/openapi.json',
    ]);
  });

  it('require a token for every recorded operation except logins, alerts and public tiles', () => {
    const open = [...ACCESS].filter(([, { who, action }]) => who === 'public' && action);
    expect(open.map(([id]) => id)).toEqual([
      'createSession',
      'receiveAlert',
      'beginPersonLogin',
      'finishPersonLogin',
      'readPublicCheckpoint',
      'readPublicTile',
    ]);
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
