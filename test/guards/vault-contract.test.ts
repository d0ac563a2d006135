import { expect, it } from '@jest/globals';
import { load } from 'js-yaml';
import { VAULT_ACCESS, type Area } from '../../src/api/vault/access.ts';
import { textOf } from '../kit/pages/tracked-files.ts';

/** The names that the document gives to mounts. */
const NAMES: Readonly<Record<Area, string>> = {
  sys: 'sys',
  auth: 'auth',
  'kv-v2': 'secret',
  'kv-v1': 'kv',
  database: 'database',
};

interface Operation {
  readonly parameters?: readonly { readonly $ref?: string }[];
}

it('describes every operation for clients of the Vault HTTP API in openapi-vault.yaml', () => {
  const { paths } = load(textOf('openapi-vault.yaml')) as {
    readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  };
  const described = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).flatMap(([method, { parameters = [] }]) => {
      const place = `${method.toUpperCase()} ${path}`;
      const isListed = parameters.some(({ $ref }) => $ref?.endsWith('/list'));
      return isListed ? [place, `LIST ${path}`] : [place];
    }),
  );
  const served = [...VAULT_ACCESS.values()].flatMap(({ verb, area, template }) => {
    const mount = template.includes('/oidc/') ? 'oidc' : 'kubernetes';
    const path = `/v1/${NAMES[area]}${template.replace('{mount}', mount)}`;
    if (!path.includes('/{folder}')) return [`${verb} ${path}`];
    // A list is also a GET. That of a whole mount is an operation of its own, because there is no path to read.
    const whole = path.replace('/{folder}', '');
    const below = path.replace('folder', 'path');
    return [`${verb} ${below}`, `GET ${below}`, `${verb} ${whole}`, `GET ${whole}`];
  });
  expect([...new Set(described)].sort()).toEqual([...new Set(served)].sort());
});
