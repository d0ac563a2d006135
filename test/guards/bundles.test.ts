import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';

const DIST = new URL('../../dist/', import.meta.url);
const text = (name: string): string => readFileSync(new URL(name, DIST), 'utf8');

interface Output {
  readonly inputs: Readonly<Record<string, unknown>>;
  readonly imports: readonly { readonly path: string; readonly external?: boolean }[];
}

const { outputs } = JSON.parse(text('agent.meta.json')) as {
  readonly outputs: Readonly<Record<string, Output>>;
};
const [bundle] = Object.values(outputs);
const paths = Object.keys(bundle!.inputs);
const packages = [
  ...new Set(paths.flatMap((path) => /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1] ?? [])),
].sort();

describe('the bundle of the agent', () => {
  it('has these packages and no other: no client of a backend, no server framework', () => {
    expect(packages).toEqual(['jose', 'liquidjs', 'yaml', 'zod']);
  });

  it('has no folder of the broker', () => {
    const own = paths.filter((path) => !path.includes('node_modules/'));
    const rooms = new Set(own.flatMap((path) => /(?:^|\/)dist\/(\w+)\//.exec(path)?.[1] ?? []));
    expect([...rooms].sort()).toEqual([
      ...['client', 'crypto', 'delivery', 'domain', 'net', 'ports', 'text'],
    ]);
    expect(own.filter((path) => /dist\/delivery\/(csi|injector)\//.test(path))).toEqual([]);
  });

  it('needs only Node beside it', () => {
    const outside = bundle!.imports.filter(({ external }) => external === true);
    const foreign = outside.map(({ path }) => path).filter((path) => !isOfNode(path));
    expect(foreign).toEqual([]);
  });

  it('comes with the licence of each package that it contains', () => {
    const notice = text('THIRD-PARTY.txt');
    expect(packages.filter((name) => !new RegExp(`^${name} \\d`, 'm').test(notice))).toEqual([]);
  });

  it('comes with its compiled code', () => {
    expect(readFileSync(new URL('agent.cjs.cache', DIST)).length).toBeGreaterThan(100_000);
  });
});

function isOfNode(path: string): boolean {
  return process.getBuiltinModule(path.replace(/^node:/, '')) !== undefined;
}
