import { expect, it } from '@jest/globals';
import { runWatch } from '../../../../src/cli/verbs/watch.ts';
import { cliContext } from '../../../kit/cli/cli-context.ts';
import { ScriptedBroker } from '../../../kit/cli/scripted-api.ts';
import { eventually } from '../../../kit/time/eventually.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';

const TIME = '2026-01-05T10:00:00.000Z';

interface State {
  readonly entries: object[];
  leases: readonly string[];
}

/** A log whose entries are found by action or outcome, and live leases of these paths. */
function watched(state: State): ScriptedBroker {
  return new ScriptedBroker({
    searchAudit: ({ query = {} }) => {
      const items = state.entries
        .map((entry, index) => ({ index, entry: entry as Record<string, unknown> }))
        .filter(({ entry }) =>
          ['action', 'outcome'].every(
            (name) => query[name] === undefined || query[name] === entry[name],
          ),
        );
      return { items: items.reverse() };
    },
    listLeases: () => ({ items: state.leases.map((path) => ({ path })) }),
  });
}

const entry = (action: string, outcome: string, more: object = {}): object => ({
  time: TIME,
  action,
  outcome,
  actor: { id: 'k8s://c1/shop/web' },
  ...more,
});

it('prints a line for each login, refusal, rotation and change of holders', async () => {
  const state: State = { entries: [entry('session.create', 'ok')], leases: ['shop/db', 'shop/db'] };
  const stop = new AbortController();
  const clock = new HandClock();
  const context = {
    ...cliContext({ broker: watched(state), signal: stop.signal }),
    clock,
  };
  const done = runWatch(context);
  await eventually('the first lines', () =>
    Promise.resolve(context.out().endsWith('holders   shop/db  2\n') ? true : undefined),
  );
  state.entries.push(entry('secret.read', 'deny', { path: 'pay/\u001bdb', reason: 'no_rule' }));
  state.entries.push(entry('secret.read', 'ok', { path: 'shop/db' }));
  state.entries.push(entry('rotation.end', 'ok', { path: 'shop/db' }));
  state.leases = [];
  await eventually('the sleep has ended', () => {
    clock.advance(5_000);
    return Promise.resolve(context.out().includes('shop/db  0') ? true : undefined);
  });
  stop.abort(new Error('stopped'));
  await expect(done).rejects.toThrow('stopped');
  const who = 'k8s://c1/shop/web';
  expect(context.out().split('\n')).toEqual([
    `login     2026-01-05T10:00:00Z  ${who}  session.create  ok  -`,
    'holders   shop/db  2',
    `refusal   2026-01-05T10:00:00Z  ${who}  secret.read  deny no_rule  pay/\\u{1b}db`,
    `rotated   2026-01-05T10:00:00Z  ${who}  rotation.end  ok  shop/db`,
    'holders   shop/db  0',
    '',
  ]);
});

it('draws one screen on a terminal and restores it', async () => {
  const state: State = { entries: [entry('session.create', 'ok')], leases: ['shop/db'] };
  const stop = new AbortController();
  const context = cliContext({
    broker: watched(state),
    signal: stop.signal,
    isTerminal: true,
    inherited: { TERM: 'xterm' },
  });
  const done = runWatch(context);
  await eventually('the screen', () =>
    Promise.resolve(context.out().includes('session.create') ? true : undefined),
  );
  stop.abort(new Error('stopped'));
  await expect(done).rejects.toThrow('stopped');
  expect(context.out().startsWith('\u001b[?1049h')).toBe(true);
  expect(context.out()).toMatch(/https:\/\/broker\.example[^]*shop\/db +1/);
  // A narrow terminal cuts off the last columns.
  expect(context.out()).toMatch(
    /^TIME +EVENT +WHO +WHAT +OUTCOME +ACTION\s+10:00:00 +login +k8s:/m,
  );
  expect(context.out().endsWith('\u001b[?25h\u001b[?1049l')).toBe(true);
});
