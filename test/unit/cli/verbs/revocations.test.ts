import { expect, it } from '@jest/globals';
import { runRevocationList } from '../../../../src/cli/verbs/leases.ts';
import { cliContext } from '../../../kit/cli/cli-context.ts';
import { ScriptedBroker } from '../../../kit/cli/scripted-api.ts';

async function list(options: Parameters<typeof runRevocationList>[1]['options']) {
  const broker = new ScriptedBroker({
    listRevocations: ({ query }) => ({
      items: [{ credential: 'cred_1', path: 'a/b', attempts: 7, state: query?.['state'] }],
    }),
  });
  const context = cliContext({ broker, format: 'json' });
  await runRevocationList(context, { args: [], options });
  const { items } = JSON.parse(context.out()) as { items: { state: string }[] };
  return items.map(({ state }) => state);
}

it('lists failed revocations before pending ones, unless a state is selected', async () => {
  expect(await list({})).toEqual(['irrevocable', 'revoking', 'expiring']);
  expect(await list({ state: 'revoking' })).toEqual(['revoking']);
});
