import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  Application,
  type ApplicationDeps,
  type Outcome,
} from '../../../../../src/delivery/agent/application/application.ts';
import { AgentLog } from '../../../../../src/delivery/agent/agent-log.ts';
import { until } from '../../../../kit/backends/until.ts';
import { HandClock } from '../../../../kit/time/hand-clock.ts';

const VALUE = { name: 'db', path: 'a/db', isCredential: false, replacedLease: undefined } as const;

let directory: string;
let clock: HandClock;
let outcomes: Outcome[];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'quaymaster-application-'));
  clock = new HandClock();
  outcomes = [];
});

afterEach(() => rm(directory, { recursive: true }));

function application(more: Partial<ApplicationDeps> = {}): Application {
  return new Application({
    onChange: [],
    acknowledge: { after: 'written', timeout: 30_000 },
    clock,
    log: new AgentLog('error', clock, () => undefined),
    beginNotification: () => () => undefined,
    onOutcome: (outcome) => void outcomes.push(outcome),
    ...more,
  });
}

function command(script: string, timeoutMs = 60_000) {
  const words = ['sh', '-c', script, 'sh', directory];
  return { kind: 'command', command: words, timeoutMs } as const;
}

function file(name: string): string {
  return join(directory, name);
}

function reasons(): readonly (string | undefined)[] {
  return outcomes.flatMap(({ reports }) => reports.map(({ reason }) => reason));
}

describe('notifying the application', () => {
  it.each([1, 2, 3, 4, 5, 6])(
    'is not lost if it begins %i microtasks after the end of the former one',
    async (moments) => {
      const told: Application = application({
        onOutcome(outcome) {
          outcomes.push(outcome);
          if (outcomes.length === 1) void later();
        },
      });
      const later = async (): Promise<void> => {
        for (let moment = 0; moment < moments; moment += 1) await Promise.resolve();
        told.notify([{ ...VALUE, version: '2' }]);
      };
      told.notify([{ ...VALUE, version: '1' }]);
      await new Promise((resolve) => setImmediate(resolve));
      expect(outcomes.map(({ reports }) => reports[0]?.version)).toEqual(['1', '2']);
    },
  );
});

describe('the end of an agent during a notification', () => {
  it('waits for the running command, and starts no other', async () => {
    const told = application({
      onChange: [
        command('touch "$1/begun"; while [ ! -e "$1/go" ]; do sleep 0.1; done; touch "$1/done"'),
        command('touch "$1/other"'),
      ],
    });
    told.notify([{ ...VALUE, version: '1' }]);
    await until('it has started', () => Promise.resolve(existsSync(file('begun'))));
    const end = told.end();
    told.notify([{ ...VALUE, version: '2' }]);
    expect(existsSync(file('done'))).toBe(false);
    await writeFile(file('go'), '');
    await end;
    expect([existsSync(file('done')), existsSync(file('other'))]).toEqual([true, false]);
    expect(reasons()).toEqual(['agent_ended']);
  });

  it('kills a command and its children before the grace period of the pod ends', async () => {
    const told = application({ onChange: [command('sleep 60 & echo $! > "$1/pid"; wait')] });
    told.notify([{ ...VALUE, version: '1' }]);
    const pid = async (): Promise<string> => readFile(file('pid'), 'utf8').catch(() => '');
    await until('it has started', async () => (await pid()).endsWith('\n'));
    const end = told.end();
    clock.advance(20_000);
    await end;
    expect(reasons()).toEqual(['agent_ended']);
    await until('the grandchild is gone', async () => {
      const stat = await readFile(`/proc/${Number(await pid())}/stat`, 'utf8').catch(() => '');
      return stat === '' || stat.includes(') Z ');
    });
  });

  it('does not start the proof', async () => {
    const acknowledge = { after: 'command' as const, command: ['false'], timeout: 30_000 };
    const told = application({ acknowledge });
    told.notify([{ ...VALUE, version: '1' }]);
    await new Promise((resolve) => setTimeout(resolve, 300));
    await told.end();
    expect(reasons()).toEqual(['agent_ended']);
  });
});
