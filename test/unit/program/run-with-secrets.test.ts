import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { runWithSecrets } from '../../../src/program/run-with-secrets.ts';
import { cliContext } from '../../kit/cli/cli-context.ts';
import { refusal, ScriptedBroker } from '../../kit/cli/scripted-api.ts';
import { fileTree, removeTreesAfterEach } from '../../kit/files/file-tree.ts';
import { HandClock } from '../../kit/time/hand-clock.ts';
import { eventually } from '../../kit/time/eventually.ts';

removeTreesAfterEach();

const POLL_MS = 15_000;
/** Appends its value, or the signal, to the file of its argument; ends at USR1. */
const PROGRAM = `trap 'exit 0' TERM; trap 'echo hup >> "$1"' HUP; trap 'exit 5' USR1
echo "$V" >> "$1"; while :; do sleep 0.05; done`;

/** A secret whose version is its value. */
function versioned(state: { version: string; refused?: boolean }): ScriptedBroker {
  return new ScriptedBroker({
    readSecrets: () => ({
      items: [{ path: 'a/b', version: state.version, data: { k: `value-${state.version}` } }],
    }),
    listSecretVersions: () => {
      if (state.refused === true) throw refusal(403, 'ERR_DENIED');
      return { items: [{ version: state.version, state: 'current' }] };
    },
  });
}

it.each([
  ['is restarted', undefined, ['value-1', 'value-2'], 'the program is restarted'],
  ['gets the signal', 'SIGHUP', ['value-1', 'hup'], 'the program gets SIGHUP'],
])('a watched program %s when its secret has a new version', async (_, signal, seen, note) => {
  const state = { version: '1', refused: false };
  const file = join(await fileTree({}), 'seen');
  const lines = async () => (await readFile(file, 'utf8').catch(() => '')).trim().split('\n');
  const clock = new HandClock();
  const context = { ...cliContext({ broker: versioned(state), inherited: process.env }), clock };
  const options = { env: ['V=a/b#k'], watch: true, ...(signal !== undefined && { signal }) };
  const done = runWithSecrets(context, { args: ['sh', '-c', PROGRAM, 'sh', file], options });
  await eventually('it has started', async () =>
    (await lines())[0] === 'value-1' ? true : undefined,
  );
  state.refused = true;
  clock.advance(POLL_MS);
  await eventually('the refusal is reported', () =>
    Promise.resolve(context.err().includes('not followed now: ERR_DENIED') ? true : undefined),
  );
  Object.assign(state, { version: '2', refused: false });
  // A poll may still be running: its timer is set when it has ended.
  await eventually('the program knows it', async () => {
    clock.advance(POLL_MS);
    return (await lines()).length === 2 ? true : undefined;
  });
  expect(await lines()).toEqual(seen);
  expect(context.err()).toContain(`changed: a/b; ${note}`);
  process.emit('SIGUSR1', 'SIGUSR1');
  expect(await done).toBe(5);
});

it('refuses to watch secrets whose versions it may not see, before the program starts', async () => {
  const context = cliContext({ broker: versioned({ version: '1', refused: true }) });
  const options = { env: ['V=a/b#k'], watch: true };
  await expect(runWithSecrets(context, { args: ['false'], options })).rejects.toThrow('ERR_DENIED');
});
