import { status } from '@grpc/grpc-js';
import { describe, expect, it } from '@jest/globals';
import { readMountSpec } from '../../../../src/delivery/csi/mount-spec.ts';

const TOKENS = 'csi.storage.k8s.io/serviceAccount.tokens';
const token = (audience: string): string => JSON.stringify({ [audience]: { token: 't.o.k' } });

function wishOf(
  objects: unknown,
  more: Readonly<Record<string, unknown>> = {},
): ReturnType<typeof readMountSpec> {
  const attributes = { objects, [TOKENS]: token('quaymaster'), ...more };
  return readMountSpec(JSON.stringify(attributes), 'quaymaster');
}

describe('the parameters of a SecretProviderClass', () => {
  it.each([
    ['- path: a/db', { file: 'db.json', format: 'json', mode: 0o444 }],
    ["- { path: a/db, version: '3' }", { version: '3' }],
    ['- { path: a/db, format: files }', { file: 'db', format: 'files' }],
    ['- { path: a/db, format: dotenv }', { file: 'db.env' }],
    ['- { path: a/db, key: password }', { file: 'password', key: 'password' }],
    ["- { path: a/db, key: 'a/b', file: x }", { file: 'x', key: 'a/b' }],
    ["- { path: a/db, file: x/y, mode: '400' }", { file: 'x/y', mode: 0o400 }],
  ])('%s is %j', async (objects, expected) => {
    const wish = await wishOf(objects);
    expect(wish.objects).toMatchObject([{ path: 'a/db', ...expected }]);
    expect(JSON.stringify(wish)).not.toContain('t.o.k');
  });

  it.each([
    [undefined],
    [7],
    [''],
    ['{}'],
    ['[]'],
    ['- path: /a'],
    ['- path: ../a'],
    ['- {}'],
    ['- { path: a, typo: 1 }'],
    ['- { path: a, file: /etc/passwd }'],
    ['- { path: a, file: ../x }'],
    ['- { path: a, file: ..data }'],
    ["- { path: a, key: '../x' }"],
    ['- { path: a, key: x, format: json }'],
    ["- { path: a, mode: '0999' }"],
    ["- { path: a, mode: '4755' }"],
    ["- { path: a, mode: '0755' }"],
    ["- { path: a, mode: '0666' }"],
    ['- { path: a, format: xml }'],
    ['- { path: a, file: x }\n- { path: b, file: x }'],
    ['- { path: a, file: x }\n- { path: b, file: x/y }'],
    ['- &a { path: a }\n- *a'],
    ['- path: a\n  path: b'],
    ['{'],
    [`[${Array.from({ length: 101 }, (_, index) => `{path: a/${index}}`).join(',')}]`],
  ])('%j is refused', async (objects) => {
    await expect(wishOf(objects)).rejects.toMatchObject({ code: status.INVALID_ARGUMENT });
  });

  it('are refused with every problem at once', async () => {
    const objects = "- { path: /a, mode: 'x' }\n- { path: b, format: y }";
    await expect(wishOf(objects)).rejects.toThrow(/\/0\/path.*\/0\/mode.*\/1\/format/);
  });

  it('are refused with the alternative for dynamic credentials', async () => {
    const objects = '- { path: a, credential: { ttl: 10m } }';
    await expect(wishOf(objects)).rejects.toThrow(/\/0\/credential: .*dynamic credentials.*agent/);
  });

  it.each([
    [''],
    ['{'],
    ['[]'],
    ['{"other":{"token":"x"}}'],
    ['{"quaymaster":{"token":""}}'],
    ['{"quaymaster":7}'],
  ])('have no pod token for the broker in %j', async (tokens) => {
    await expect(wishOf('- path: a', { [TOKENS]: tokens })).rejects.toMatchObject({
      code: status.FAILED_PRECONDITION,
    });
  });

  it('use no inherited property as a token', async () => {
    const attributes = JSON.stringify({ objects: '- path: a', [TOKENS]: '{}' });
    await expect(readMountSpec(attributes, 'constructor')).rejects.toMatchObject({
      code: status.FAILED_PRECONDITION,
    });
  });

  it.each([['{'], ['null'], ['[]'], ['']])('are refused as %j', async (attributes) => {
    await expect(readMountSpec(attributes, 'quaymaster')).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
    });
  });
});
