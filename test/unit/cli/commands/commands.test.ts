import { describe, expect, it } from '@jest/globals';
import { INCIDENTS } from '../../../../src/cli/commands/incidents.ts';
import { LEASES } from '../../../../src/cli/commands/leases.ts';
import { ROTATIONS } from '../../../../src/cli/commands/rotations.ts';
import { OPERATORS } from '../../../../src/cli/commands/documents.ts';
import { SECRETS } from '../../../../src/cli/commands/secrets.ts';
import type { CommandTable } from '../../../../src/cli/run/command.ts';
import type { Verb } from '../../../../src/cli/connection/context.ts';
import type { Format } from '../../../../src/cli/output/formats.ts';
import { createProgram } from '../../../../src/program/program.ts';
import { cliContext } from '../../../kit/cli/cli-context.ts';
import { ScriptedBroker } from '../../../kit/cli/scripted-api.ts';

type Given = Parameters<Verb<object>>[1];

const LEASE = {
  id: 'lea_1',
  workload: 'k8s://c1/prod/api',
  path: 'a/b',
  state: 'ended',
  endsAt: '2026-01-05T10:23:00.000Z',
};
const QUARANTINE = { subject: 'u1', createdBy: 'eve', reason: 'INC-7' };
const answers = {
  listLeases: () => ({ items: [{ ...LEASE, cause: 'revoked' }] }),
  listQuarantines: () => ({
    items: [
      { ...QUARANTINE, id: 'qua_1', kind: 'pod', pod: { namespace: 'shop', name: 'web-0' } },
      { ...QUARANTINE, id: 'qua_2', kind: 'pod', suspended: true },
      { ...QUARANTINE, id: 'qua_3', kind: 'operator', until: '2026-01-06T10:00:00.000Z' },
    ],
  }),
  readLease: () => LEASE,
  renewLease: () => LEASE,
  releaseLease: () => undefined,
  listSecrets: () => ({ items: [{ path: 'a/b', version: '2' }] }),
  revokeOperatorToken: () => undefined,
  readRotationHistory: () => ({ items: [] }),
};

/** Runs a command of a table against a scripted broker. */
async function run(table: CommandTable, name: string, given: Given, format: Format = 'table') {
  const broker = new ScriptedBroker(answers);
  const context = cliContext({ broker, format });
  const row = table.commands.find(({ command }) => command === name);
  const verb = (await row?.load(createProgram)) as Verb<object>;
  await verb(context, given);
  return { out: context.out(), asked: broker.asked };
}

describe('a command that is an operation', () => {
  it('sends its options as query parameters, without connection and output options', async () => {
    const options = { path: 'a', state: 'live', output: 'json', url: 'https://x', profile: 'p' };
    const { asked } = await run(LEASES, 'lease ls', { args: [], options });
    const query = { path: 'a', state: 'live', limit: 1000 };
    expect(asked).toEqual([{ id: 'listLeases', path: {}, query }]);
  });

  it('fills the path of the operation with its arguments in order', async () => {
    const given = { args: ['alice', 'tok_1'], options: {} };
    const { asked, out } = await run(OPERATORS, 'operator token revoke', given);
    expect(asked).toMatchObject([{ path: { name: 'alice', id: 'tok_1' } }]);
    expect(out).toBe('revoked token tok_1 of alice\n');
  });

  it('sends an argument that is not in the path as a query parameter', async () => {
    const { asked } = await run(SECRETS, 'ls', { args: ['a'], options: {} });
    expect(asked).toMatchObject([{ query: { prefix: 'a', limit: 1000 } }]);
  });

  it('sends the named options in the body, and an empty body without them', async () => {
    const renew = async (options: object) =>
      (await run(LEASES, 'lease renew', { args: ['lea_1'], options })).asked[0];
    expect(await renew({ ttl: '15m', output: 'table' })).toMatchObject({ body: { ttl: '15m' } });
    expect(await renew({})).toMatchObject({ path: { id: 'lea_1' }, body: {} });
  });

  it('shows members and computed cells as columns, and the items of all pages as JSON', async () => {
    const { out } = await run(LEASES, 'lease ls', { args: [], options: {} });
    expect(out).toMatch(
      /^ID +WORKLOAD +POD +PATH +VERSION +STATE +EXPIRES\nlea_1 .* revoked +in 23 min\n$/,
    );
    const json = await run(LEASES, 'lease ls', { args: [], options: {} }, 'json');
    expect(JSON.parse(json.out)).toEqual({ items: [{ ...LEASE, cause: 'revoked' }] });
  });

  it('shows which pod a quarantine is for, whether it is in force, and when it ends', async () => {
    const { out } = await run(INCIDENTS, 'quarantine ls', { args: [], options: {} });
    expect(out).toMatch(/^qua_1 +pod +shop\/web-0 \(u1\) +in force +until it is lifted +eve/m);
    expect(out).toMatch(/^qua_2 +pod +u1 +suspended +until alert approve or dismiss +eve/m);
    expect(out).toMatch(/^qua_3 +operator +u1 +in force +\S.* +eve/m);
  });

  it('shows one object as fields, and prints nothing as JSON for an empty response', async () => {
    const { out } = await run(LEASES, 'lease get', { args: ['lea_1'], options: {} });
    expect(out).toMatch(/^id +lea_1\nworkload +k8s:\/\/c1\/prod\/api\n/);
    const released = await run(LEASES, 'lease release', { args: ['lea_1'], options: {} }, 'json');
    expect(released.out).toBe('');
  });

  it('shows an empty list as its header line', async () => {
    const { out } = await run(ROTATIONS, 'rotate history', { args: ['a/b'], options: {} });
    expect(out).toMatch(/^ID +KIND +CAUSE/);
  });
});
