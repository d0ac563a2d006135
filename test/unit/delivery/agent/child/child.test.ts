import { execFile, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Child, type ChildDeps } from '../../../../../src/delivery/agent/child/child.ts';
import { systemClock } from '../../../../../src/process/clock.ts';
import { LEFT_OUT } from '../../../../kit/backends/left-out.ts';

const base = mkdtempSync(join(tmpdir(), 'qm-child-'));
chmodSync(base, 0o777);
afterAll(() => rmSync(base, { recursive: true }));

let logged: string[];
beforeEach(() => {
  logged = [];
});

const log = {
  error: ({ error }: Readonly<Record<string, unknown>>) => void logged.push(String(error)),
};

function child(command: readonly string[], settings: Partial<ChildDeps['settings']> = {}): Child {
  return new Child({
    command,
    settings: { stopSignal: 'SIGTERM', stopAfter: 10_000, ...settings },
    clock: systemClock,
    log,
  });
}

/** True if a process can be started that may not signal processes of others. */
const canDrop =
  process.getuid?.() === 0 &&
  spawnSync('setpriv', ['--bounding-set', '-kill', '--inh-caps', '-kill', 'true']).status === 0;
const leftOut = canDrop ? '' : ` (${LEFT_OUT}a right cannot be dropped here)`;

describe(`the child${leftOut}`, () => {
  it('is not started again if it is stopped while it is replaced', async () => {
    const one = child(['/bin/sleep', '60']);
    one.start({});
    const replaced = one.restart(() => ({}));
    await one.end();
    await replaced;
    expect(await one.exit).toBe(128 + 15);
  });

  it('is stopped with the signal that the configuration names', async () => {
    const one = child(['/bin/sleep', '60'], { stopSignal: 'SIGUSR1' });
    one.start({});
    expect(await one.end()).toBeUndefined();
    expect(await one.exit).toBe(128 + 10);
  });

  it('reports why it cannot be started, as a shell does', async () => {
    const script = join(base, 'not-executable');
    writeFileSync(script, '', { mode: 0o644 });
    const codes: number[] = [];
    for (const [program, variables] of [
      ['/nowhere/program', 0],
      [script, 0],
      ['/bin/true', 100],
    ] as const) {
      const one = child([program]);
      const long = Array.from({ length: variables }, (_, index) => [
        `V${index}`,
        'canary-'.repeat(15_000),
      ]);
      one.start(Object.fromEntries(long) as Record<string, string>);
      codes.push(await one.exit);
    }
    expect(codes).toEqual([127, 126, 126]);
    expect(logged).toEqual(['ENOENT', 'EACCES', 'its environment is too large; use files']);
  });

  (canDrop ? it : it.skip)(
    'keeps running if it cannot be signalled, and the agent does not wait for it',
    async () => {
      const source = new URL('../../../../../src/delivery/agent/child/child.ts', import.meta.url)
        .href;
      const clock = new URL('../../../../../src/process/clock.ts', import.meta.url).href;
      const hold = join(base, 'hold');
      writeFileSync(hold, '');
      const program = `touch ${base}/up; while [ -e ${hold} ]; do sleep 0.1; done; exit 7`;
      const script = `
      import { existsSync, rmSync } from 'node:fs';
      import { setTimeout } from 'node:timers/promises';
      import { Child } from ${JSON.stringify(source)};
      import { systemClock } from ${JSON.stringify(clock)};
      const said = [], errors = [];
      const child = new Child({
        command: ['setpriv', '--reuid', '65534', '--clear-groups', 'sh', '-c', ${JSON.stringify(program)}],
        settings: { stopSignal: 'SIGTERM', stopAfter: 100 },
        clock: systemClock,
        log: { error: ({ error }) => errors.push(error) },
      });
      child.start(process.env);
      while (!existsSync('${base}/up')) await setTimeout(20);
      said.push(child.signal('SIGHUP'), child.signal('SIGHUP'));
      said.push(await child.restart(() => process.env), await child.end());
      rmSync('${hold}');
      said.push(await child.exit);
      console.log(JSON.stringify([said, errors]));`;
      const words = ['--bounding-set', '-kill', '--inh-caps', '-kill', process.execPath];
      const { stdout } = await promisify(execFile)('setpriv', [
        ...words,
        '--no-warnings',
        '--input-type=module',
        '-e',
        script,
      ]);
      const remedy = 'it runs as another user: the agent needs CAP_KILL';
      const word = 'signal_not_allowed';
      expect(JSON.parse(stdout)).toEqual([
        [word, word, word, word, 7],
        [remedy, remedy, remedy, remedy],
      ]);
    },
  );
});
