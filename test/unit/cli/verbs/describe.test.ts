import { expect, it } from '@jest/globals';
import { runDescribe } from '../../../../src/cli/verbs/describe.ts';
import { failureOf } from '../../../../src/cli/output/failure.ts';
import { cliContext } from '../../../kit/cli/cli-context.ts';
import { refusal, ScriptedBroker } from '../../../kit/cli/scripted-api.ts';

type Options = Parameters<typeof runDescribe>[1]['options'];

async function describe(
  words: readonly string[],
  options: Options = {},
  answers: ConstructorParameters<typeof ScriptedBroker>[0] = {},
) {
  const broker = new ScriptedBroker({
    describeSecret: () => ({ path: 'a/b', metadataVersion: 4 }),
    ...answers,
  });
  const context = cliContext({ broker });
  const error = await runDescribe(context, { args: ['a/b', ...words], options }).then(
    () => undefined,
    (failure: unknown) => failureOf(failure),
  );
  return { out: context.out(), error, asked: broker.asked };
}

it('shows the custom metadata of a secret', async () => {
  const customMetadata = {
    version: 2,
    entries: { owner: 'pay' },
    updatedAt: '2026-01-05T09:59:00.000Z',
    updatedBy: 'alice',
  };
  const shown = await describe(
    [],
    {},
    { listSecretVersions: () => ({ items: [], customMetadata }) },
  );
  expect(shown.out).toMatch(
    /metadata version +2\n.*60 s ago.*\nby +alice\n\nKEY +VALUE\nowner +pay/,
  );
  const none = await describe([], {}, { listSecretVersions: () => ({ items: [] }) });
  expect(none.out).toContain('a/b has no custom metadata; to write it: quaymaster describe a/b');
});

it('sets and removes keys, at the version that the caller names', async () => {
  const changed = await describe(['owner=pay', 'url=a=b'], { remove: ['tier'], ifMetadata: '3' });
  expect(changed.out).toMatch(/metadata version +4/);
  expect(changed.asked).toEqual([
    {
      id: 'describeSecret',
      path: { path: 'a/b' },
      body: { customMetadata: { owner: 'pay', url: 'a=b', tier: null } },
      headers: { 'If-Match': '"3"' },
    },
  ]);
  const first = await describe(['owner=pay'], { ifMetadata: '0', replace: true });
  expect(first.asked).toMatchObject([
    { body: { replace: true }, headers: { 'If-None-Match': '*' } },
  ]);
});

it.each([
  ['a word without =', ['owner'], {}],
  ['an empty text', ['owner='], {}],
  ['a key twice', ['owner=a', 'owner=b'], {}],
  ['a key that is set and removed', ['owner=a'], { remove: ['owner'] }],
  ['a version without a change', [], { ifMetadata: '1' }],
] as const)('refuses %s before it calls the broker', async (_what, words, options) => {
  const { error, asked } = await describe(words, options);
  expect([error?.exitCode, asked]).toEqual([64, []]);
});

it('says how to look at metadata that another caller changed', async () => {
  const { error } = await describe(
    ['owner=a'],
    { ifMetadata: '1' },
    {
      describeSecret: () => {
        throw refusal(412, 'ERR_VERSION_CONFLICT');
      },
    },
  );
  expect(error).toMatchObject({ exitCode: 6 });
  expect(JSON.stringify(error)).toContain('quaymaster describe a/b');
});
