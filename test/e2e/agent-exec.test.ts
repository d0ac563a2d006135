import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from '@jest/globals';
import { until } from '../kit/backends/until.ts';
import { findCanary } from '../kit/checks/find-canary.ts';
import type { AgentProcess } from '../kit/delivery/agent-process.ts';
import { agentSuite } from '../kit/delivery/agent-suite.ts';
import type { PreparedBroker } from '../kit/broker/prepared-broker.ts';
import { Rotated } from '../kit/rotation/rotated.ts';

const PASSWORD = 'canary-exec-44e1';

let broker: PreparedBroker;
let agent: AgentProcess;

agentSuite({
  canary: PASSWORD,
  furniture: {
    secrets: { 'own/db': { user: 'app', password: PASSWORD } },
  },
  begin: (running) => ({ broker, agent } = running),
});

async function lines(name: string): Promise<readonly string[]> {
  const text = await readFile(agent.file(name), 'utf8').catch(() => '');
  return text.split('\n').filter((line) => line !== '');
}

interface Wanted {
  readonly path?: string;
  readonly exec?: object;
  readonly more?: object;
}

/** Runs a shell program as the child, with the secret in DB_PASSWORD. */
async function run(
  program: string,
  { path = 'own/db', exec = {}, more = {} }: Wanted = {},
): Promise<void> {
  await agent.configure({
    secrets: [{ path, name: 'db', file: 'db.json' }],
    exec: { environment: { DB_PASSWORD: { secret: 'db', key: 'password' } }, ...exec },
    ...more,
  });
  agent.start(['exec'], ['--', 'sh', '-c', program, 'sh', agent.directory]);
}

async function quit(): Promise<void> {
  const told = await fetch(`http://127.0.0.1:${agent.healthPort}/quit`, { method: 'POST' });
  expect(told.status).toBe(202);
}

/** Waits for a signal; `sleep` in the background, because a shell runs its traps between commands. */
const IDLE = 'while :; do sleep 1 > /dev/null 2>&1 & wait $!; done';

describe('quaymaster agent exec', () => {
  it('gives values to the child alone, in its environment and in files', async () => {
    await run(`printf '%s\\n' "$DB_PASSWORD" > $1/seen; cp $1/secrets/db.json $1/copy; ${IDLE}`);
    await until('the child has started', async () => (await lines('copy')).length > 0);
    expect(await lines('seen')).toEqual([PASSWORD]);
    expect((await lines('copy')).join('')).toContain(PASSWORD);
    const outputs = {
      environment: await readFile(`/proc/${agent.pid}/environ`),
      arguments: await readFile(`/proc/${agent.pid}/cmdline`),
    };
    expect(findCanary(PASSWORD, outputs)).toEqual([]);
  });

  it('exits with the code of the child', async () => {
    await run('exit 7');
    expect(await agent.ended()).toMatchObject({ code: 7 });
    await run('kill -KILL $$');
    expect(await agent.ended()).toMatchObject({ code: 137 });
  });

  it('exits with 127 if the program does not exist', async () => {
    await agent.configure({ secrets: [{ path: 'own/db' }] });
    agent.start(['exec'], ['--', '/nowhere/program']);
    expect(await agent.ended()).toMatchObject({ code: 127 });
  });

  it('exits with 2 without a program, with 5 if a variable has no value', async () => {
    await agent.configure({ secrets: [{ path: 'own/db' }] });
    agent.start(['exec']);
    expect(await agent.ended()).toMatchObject({ code: 2 });
    await run('exit 0', { exec: { environment: { A: { secret: 'db', key: 'nothing' } } } });
    expect(await agent.ended()).toMatchObject({ code: 5 });
    expect(agent.output).toContain('the variable A of the child: db has no key "nothing"');
  });

  it('reveals no value when a child or a template fails', async () => {
    await run('test -n "$DB_PASSWORD" && exit 9');
    expect(await agent.ended()).toMatchObject({ code: 9 });
    expect(findCanary(PASSWORD, { output: agent.output })).toEqual([]);
    await agent.configure({
      secrets: [{ path: 'own/db', name: 'db' }],
      templates: [{ file: 'app.conf', text: '{{ secrets.db.password }}{{ secrets.db.nothing }}' }],
    });
    agent.start(['exec'], ['--', 'true']);
    expect(await agent.ended()).toMatchObject({ code: 5 });
    expect(agent.output).toContain('app.conf');
    expect(findCanary(PASSWORD, { output: agent.output })).toEqual([]);
  });

  it('forwards signals', async () => {
    const traps = ['HUP', 'USR1', 'USR2', 'WINCH', 'QUIT', 'INT']
      .map((name) => `trap 'echo ${name} >> $1/heard' ${name}`)
      .join('; ');
    await run(`${traps}; trap 'exit 42' TERM; echo up > $1/up; ${IDLE}`);
    await until('the child has started', async () => (await lines('up')).length > 0);
    for (const name of ['HUP', 'USR1', 'USR2', 'WINCH', 'QUIT', 'INT'] as const) {
      agent.signal(`SIG${name}`);
      await until(`${name} is heard`, async () => (await lines('heard')).includes(name));
    }
    agent.signal('SIGTERM');
    expect(await agent.ended()).toMatchObject({ code: 42 });
  });

  it('stops the child with its own stop signal when the pod requests it to quit, and kills it if that fails', async () => {
    await run(
      `trap 'echo USR1 >> $1/heard; exit 42' USR1; trap '' TERM; echo up > $1/up; ${IDLE}`,
      {
        exec: { stopSignal: 'SIGUSR1' },
      },
    );
    await until('the child has started', async () => (await lines('up')).length > 0);
    await quit();
    expect(await agent.ended()).toMatchObject({ code: 42 });
    await run(`trap '' TERM; echo up > $1/up2; ${IDLE}`, { exec: { stopAfter: '1s' } });
    await until('the child has started', async () => (await lines('up2')).length > 0);
    await quit();
    expect(await agent.ended()).toMatchObject({ code: 137 });
  });

  it('restarts the child with the new value, and then acknowledges it', async () => {
    const rotated = await Rotated.make(broker, 'own/restarted');
    await run(`printf '%s\\n' "$DB_PASSWORD" >> $1/seen; ${IDLE}`, { path: rotated.path });
    await until('the child has started', async () => (await lines('seen')).length === 1);
    await rotated.run();
    await until('it has started again', async () => (await lines('seen')).length === 2);
    const [first, second] = await lines('seen');
    expect(first).toBe('the-first-one');
    expect(await agent.read('db.json')).toContain(second!);
    await rotated.untilEnded();
    expect(agent.logged('acknowledged')).toMatchObject([{ outcome: 'ok' }]);
    agent.signal('SIGTERM');
    expect(await agent.ended()).toMatchObject({ code: 143 });
  });

  it('starts the child once with changes made while the agent was stopped, and notifies the others', async () => {
    await broker.write('own/meanwhile', { user: 'app', password: 'first' });
    const told = { onChange: [{ command: ['touch', agent.file('told')] }] };
    const program = `printf '%s\\n' "$DB_PASSWORD" >> $1/seen; ${IDLE}`;
    await run(program, { path: 'own/meanwhile', more: told });
    await until('the child has started', async () => (await lines('seen')).length === 1);
    // As a container ends: the child with it.
    process.kill(-agent.pid, 'SIGKILL');
    await agent.ended();
    await broker.installation.call('PUT', '/api/v1/secrets/own/meanwhile', {
      token: broker.operator,
      body: { data: { password: 'second' } },
      headers: { 'if-match': '"1"' },
    });
    await run(program, { path: 'own/meanwhile', more: told });
    await until('others are notified', () => Promise.resolve(existsSync(agent.file('told'))));
    await until('it is logged', () =>
      Promise.resolve(agent.logged('notified the application').length > 0),
    );
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(await lines('seen')).toEqual(['first', 'second']);
  });

  it('signals the child if the configuration says so', async () => {
    const rotated = await Rotated.make(broker, 'own/signalled');
    await run(`trap 'cp $1/secrets/db.json $1/reloaded' USR2; echo up > $1/up; ${IDLE}`, {
      path: rotated.path,
      exec: { onChange: 'signal', signal: 'SIGUSR2' },
    });
    await until('the child has started', async () => (await lines('up')).length > 0);
    await rotated.run();
    await until('it has reloaded', async () => (await lines('reloaded')).length > 0);
    expect((await lines('reloaded')).join('')).not.toContain('the-first-one');
    await rotated.untilEnded();
  });

  it('keeps the child running if a variable has no value any more, and names the variable', async () => {
    await broker.write('own/emptied', { user: 'app', password: PASSWORD });
    await run(`echo up >> $1/seen; ${IDLE}`, { path: 'own/emptied' });
    await until('the child has started', async () => (await lines('seen')).length === 1);
    await broker.installation.call('PUT', '/api/v1/secrets/own/emptied', {
      token: broker.operator,
      body: { data: { user: 'app' } },
      headers: { 'if-match': '"1"' },
    });
    await until('it is logged', () =>
      Promise.resolve(agent.output.includes('the variable DB_PASSWORD of the child')),
    );
    await until('it is reported', () => Promise.resolve(agent.logged('acknowledged').length > 0));
    expect(agent.logged('acknowledged')).toMatchObject([{ reason: 'environment_failed' }]);
    expect(await lines('seen')).toEqual(['up']);
    process.kill(-agent.pid, 'SIGKILL');
  });

  it('kills a child that does not stop in time, and starts the next', async () => {
    const rotated = await Rotated.make(broker, 'own/stubborn');
    await run(`trap '' TERM; printf '%s\\n' "$DB_PASSWORD" >> $1/seen; ${IDLE}`, {
      path: rotated.path,
      exec: { stopAfter: '1s' },
    });
    await until('the child has started', async () => (await lines('seen')).length === 1);
    await rotated.run();
    await until('it has started again', async () => (await lines('seen')).length === 2);
    agent.signal('SIGKILL');
  });
});
