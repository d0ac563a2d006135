import { expect, it } from '@jest/globals';
import { UnreachableError } from '../../../../src/client/index.ts';
import { failureOf } from '../../../../src/cli/output/failure.ts';
import { runCredential } from '../../../../src/cli/verbs/workload.ts';
import { cliContext } from '../../../kit/cli/cli-context.ts';
import { ScriptedBroker } from '../../../kit/cli/scripted-api.ts';

const MADE = {
  path: 'db/app',
  version: '1',
  data: { password: 'hunter2' },
  lease: { id: 'lea_1' },
};

async function order(given: {
  readonly unwritable?: string;
  readonly options?: object;
  readonly issue?: () => unknown;
  readonly release?: () => unknown;
}) {
  const { unwritable, options = { reveal: true }, issue = () => MADE } = given;
  const { release = () => undefined } = given;
  const broker = new ScriptedBroker({ issueCredential: issue, releaseLease: release });
  const context = cliContext({ broker, ...(unwritable !== undefined && { unwritable }) });
  const { exitCode, text } = await runCredential(context, { args: ['db/app'], options }).then(
    () => ({ exitCode: 0, text: '' }),
    failureOf,
  );
  const [issued, ...more] = broker.asked;
  const key = issued?.headers?.['Idempotency-Key'] ?? '';
  return { exitCode, text, out: context.out(), err: context.err(), key, more };
}

const RELEASE = { id: 'releaseLease', path: { id: 'lea_1' } };

it('releases a credential that cannot be shown', async () => {
  const full = await order({ unwritable: 'ENOSPC' });
  expect(full).toMatchObject({ exitCode: 1, more: [RELEASE] });
  expect(full.text).toMatch(/ENOSPC.*\nthe credential was released$/);
  const closed = await order({ unwritable: 'EPIPE' });
  expect(closed).toMatchObject({ exitCode: 141, more: [RELEASE] });
  expect(closed.text).toContain('the credential was released');
});

it('names the lease of a credential that can be neither shown nor released', async () => {
  const release = () => {
    throw new UnreachableError('timeout', 'x');
  };
  const { exitCode, text } = await order({ unwritable: 'ENOSPC', release });
  expect(exitCode).toBe(1);
  expect(text).toMatch(
    /\nthe credential may still be valid; release it: quaymaster lease release lea_1$/,
  );
});

it('keeps a credential that was issued with a key of the caller', async () => {
  const options = { reveal: true, idempotencyKey: 'mine' };
  const { exitCode, more } = await order({ unwritable: 'ENOSPC', options });
  expect({ exitCode, more }).toEqual({ exitCode: 1, more: [] });
});

it('reports the key that returns a credential after a lost response', async () => {
  const { exitCode, text, key } = await order({
    issue: () => {
      throw new UnreachableError('cut_off', 'x');
    },
  });
  expect(exitCode).toBe(5);
  expect(text).toBe(
    `no response: x\na credential may have been issued; repeat the command with --idempotency-key ${key} to get it`,
  );
  const masked = await order({ options: {} });
  expect(masked.out).not.toContain('hunter2');
  expect(masked.err).toBe(`to show its values: --reveal --idempotency-key ${masked.key}\n`);
  expect((await order({})).err).toBe('');
});
