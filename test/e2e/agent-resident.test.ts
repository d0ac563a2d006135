import { execFileSync } from 'node:child_process';
import { constants, existsSync } from 'node:fs';
import { open, readFile, writeFile } from 'node:fs/promises';
import { describe, expect, it } from '@jest/globals';
import { until } from '../kit/backends/until.ts';
import { CertificateAuthority } from '../kit/network/certificates.ts';
import { findCanary } from '../kit/checks/find-canary.ts';
import { AgentProcess } from '../kit/delivery/agent-process.ts';
import { agentSuite } from '../kit/delivery/agent-suite.ts';
import { eventually } from '../kit/time/eventually.ts';
import type { PreparedBroker } from '../kit/broker/prepared-broker.ts';
import { Rotated } from '../kit/rotation/rotated.ts';

const PASSWORD = 'canary-resident-71c0';

let broker: PreparedBroker;
let agent: AgentProcess;

agentSuite({
  canary: PASSWORD,
  furniture: { secrets: { 'own/api': { key: PASSWORD } } },
  begin: (running) => ({ broker, agent } = running),
});

async function leases(path: string): Promise<readonly unknown[]> {
  const asked = `/api/v1/leases?path=${path}&state=live`;
  const { json } = await broker.installation.call('GET', asked, { token: broker.operator });
  return json['items'] as unknown[];
}

describe('quaymaster agent', () => {
  it('follows a rotation, and the old version is retired only after the application took the new one', async () => {
    const rotated = await Rotated.make(broker, 'own/rotated');
    const accepted = agent.file('accepted');
    await agent.configure({
      secrets: [{ path: rotated.path, file: 'db.json' }],
      onChange: [{ command: ['touch', agent.file('notified')] }],
      acknowledge: { after: 'command', command: ['test', '-e', accepted], timeout: '60s' },
    });
    await agent.startReady();
    expect(await agent.password('db.json')).toBe('the-first-one');
    expect(existsSync(agent.file('notified'))).toBe(false);

    await rotated.run();
    await until('the new password is there', async () => {
      return (await agent.password('db.json')) !== 'the-first-one';
    });
    await until('the application is notified', () =>
      Promise.resolve(existsSync(agent.file('notified'))),
    );
    await rotated.untilAt('settle');
    expect(agent.logged('acknowledged')).toEqual([]);

    await writeFile(accepted, '');
    await rotated.untilEnded();
    expect(agent.logged('acknowledged')).toMatchObject([{ path: rotated.path, outcome: 'ok' }]);
    expect(findCanary((await agent.password('db.json'))!, { output: agent.output })).toEqual([]);
  });

  it('reports a failed notification of the application', async () => {
    const rotated = await Rotated.make(broker, 'own/refused');
    await agent.configure({
      secrets: [{ path: rotated.path, file: 'db.json' }],
      onChange: [{ command: ['sh', '-c', 'cat "$0"; exit 3', agent.file('secrets/db.json')] }],
    });
    await agent.startReady();
    await rotated.run();
    await until('it is reported', () => Promise.resolve(agent.logged('acknowledged').length > 0));
    expect(agent.logged('acknowledged')).toMatchObject([
      { outcome: 'failed', reason: 'command_exit_3' },
    ]);
    expect(findCanary((await agent.password('db.json'))!, { output: agent.output })).toEqual([]);
  });

  it('reveals no value to the command that it runs, and none to probes', async () => {
    const rotated = await Rotated.make(broker, 'own/dumped');
    const dump = 'env > $0/env; cat /proc/$$/cmdline > $0/arguments; touch $0/dumped; exit 3';
    await agent.configure({
      secrets: [{ path: rotated.path, file: 'db.json' }],
      onChange: [{ command: ['sh', '-c', dump, agent.directory] }],
    });
    await agent.startReady();
    await rotated.run();
    await until('it is dumped', () => Promise.resolve(existsSync(agent.file('dumped'))));
    const outputs = {
      environment: await readFile(agent.file('env'), 'utf8'),
      arguments: await readFile(agent.file('arguments'), 'utf8'),
      health: JSON.stringify(await agent.health()),
      output: agent.output,
    };
    expect(outputs.environment).toContain('PATH=');
    expect(outputs.arguments).toContain('/dumped');
    for (const value of ['the-first-one', (await agent.password('db.json'))!]) {
      expect(findCanary(value, outputs)).toEqual([]);
    }
  });

  it('removes revoked files within seconds, keeps the rest, and notifies the application', async () => {
    await broker.write('own/revoked', { password: PASSWORD });
    await agent.configure({
      secrets: [
        { path: 'own/revoked', file: 'revoked.json' },
        { path: 'own/api', file: 'api.json' },
      ],
      onChange: [{ command: ['touch', agent.file('notified')] }],
    });
    await agent.startReady();
    expect(await agent.password('revoked.json')).toBe(PASSWORD);

    await broker.installation.call('POST', '/api/v1/leases:revoke', {
      token: broker.operator,
      body: { by: 'path', path: 'own/revoked' },
    });
    await until('the file is gone', async () => (await agent.read('revoked.json')) === undefined);
    await until('the application is notified', () =>
      Promise.resolve(existsSync(agent.file('notified'))),
    );
    expect(await agent.read('api.json')).toContain(PASSWORD);
    expect(await agent.health()).toEqual({ ready: false, reasons: ['secret_missing'] });
    expect(agent.logged('access was revoked')).toMatchObject([
      { path: 'own/revoked', code: 'ERR_DENIED', request: expect.stringMatching(/^req_/) },
    ]);
  });

  it('renews its session with the token that the kubelet wrote in the meantime', async () => {
    const soonOver = broker.serviceAccountToken({ at: Date.now() - 3_600_000 + 15_000 });
    await agent.rotateToken(soonOver);
    await agent.configure({ secrets: [{ path: 'own/api', file: 'api.json' }] });
    await agent.startReady();
    await agent.rotateToken();
    await until('the session is renewed', () => {
      const [renewed] = agent.logged('renewed the session');
      const endsAt = Date.parse(String(renewed?.['endsAt']));
      return Promise.resolve(endsAt > Date.now() + 1_800_000);
    });
    expect(agent.logged('logged in')).toHaveLength(1);
    await until('its leases are extended', async () => {
      const held = (await leases('own/api')) as readonly { readonly endsAt: string }[];
      return held.some(({ endsAt }) => Date.parse(endsAt) > Date.now() + 1_800_000);
    });
    expect(await agent.read('api.json')).toContain(PASSWORD);
  });

  it('notifies the application of changes made while the agent was stopped', async () => {
    await broker.write('own/meanwhile', { password: 'first' });
    await agent.configure({
      secrets: [{ path: 'own/meanwhile', file: 'db.json' }],
      onChange: [{ command: ['touch', agent.file('notified')] }],
    });
    await agent.startReady();
    await agent.stop('SIGKILL');
    await broker.installation.call('PUT', '/api/v1/secrets/own/meanwhile', {
      token: broker.operator,
      body: { data: { password: 'second' } },
      headers: { 'if-match': '"1"' },
    });
    await agent.startReady();
    expect(await agent.password('db.json')).toBe('second');
    await until('the application is notified', () =>
      Promise.resolve(existsSync(agent.file('notified'))),
    );
  });

  it('repeats a notification that was interrupted, and not a completed one', async () => {
    await broker.write('own/half-notified', { password: 'first' });
    const script = 'echo notified >> $0/notified; [ -e $0/go ] || sleep 3';
    await agent.configure({
      secrets: [{ path: 'own/half-notified', file: 'db.json' }],
      onChange: [{ command: ['sh', '-c', script, agent.directory] }],
    });
    const notifications = async (): Promise<number> => {
      const text = await readFile(agent.file('notified'), 'utf8').catch(() => '');
      return text.split('notified').length - 1;
    };
    await agent.startReady();
    await broker.installation.call('PUT', '/api/v1/secrets/own/half-notified', {
      token: broker.operator,
      body: { data: { password: 'second' } },
      headers: { 'if-match': '"1"' },
    });
    await until('the notification runs', async () => (await notifications()) === 1);
    await agent.stop('SIGKILL');
    await writeFile(agent.file('go'), '');
    await agent.startReady();
    await until('it is notified', () =>
      Promise.resolve(agent.logged('notified the application').length === 1),
    );
    expect([await notifications(), await agent.password()]).toEqual([2, 'second']);
    await agent.stop();
    await agent.startReady();
    await agent.stop();
    expect(await notifications()).toBe(2);
  });

  it('exits with 0 on SIGTERM, and closes its session', async () => {
    await broker.write('own/ended', { key: PASSWORD });
    await agent.configure({ secrets: [{ path: 'own/ended', file: 'api.json' }] });
    await agent.startReady();
    expect(await leases('own/ended')).toHaveLength(1);
    expect(await agent.stop('SIGTERM')).toEqual({ code: 0, signal: null });
    expect(await leases('own/ended')).toEqual([]);
  });

  it('lets a running notification command finish, with its arguments', async () => {
    await broker.write('own/notified-late', { password: 'first' });
    await agent.configure({
      secrets: [{ path: 'own/notified-late', file: 'db.json' }],
      onChange: [
        { command: ['sh', '-c', 'touch $0/begun; sleep 2; touch $0/ended', agent.directory] },
      ],
    });
    await agent.startReady();
    await broker.installation.call('PUT', '/api/v1/secrets/own/notified-late', {
      token: broker.operator,
      body: { data: { password: 'second' } },
      headers: { 'if-match': '"1"' },
    });
    await until('it has started', () => Promise.resolve(existsSync(agent.file('begun'))));
    agent.signal('SIGTERM');
    await until('it exits', () => Promise.resolve(agent.logged('ending').length > 0));
    expect(await leases('own/notified-late')).not.toEqual([]);
    expect(await agent.ended()).toEqual({ code: 0, signal: null });
    expect(existsSync(agent.file('ended'))).toBe(true);
    expect(await leases('own/notified-late')).toEqual([]);
  });

  it('exits with 0 on a SIGTERM before it has read everything', async () => {
    const caFile = agent.file('ca.crt');
    execFileSync('mkfifo', [caFile]);
    const away = { url: 'https://127.0.0.1:9', caFile };
    await agent.configure({ broker: away, secrets: [{ path: 'own/api', file: 'api.json' }] });
    agent.start();
    const pipe = await eventually('it reads the authority', () =>
      open(caFile, constants.O_WRONLY | constants.O_NONBLOCK).catch(() => undefined),
    );
    agent.signal('SIGTERM');
    await pipe.writeFile(new CertificateAuthority().cert);
    await pipe.close();
    expect(await agent.ended()).toEqual({ code: 0, signal: null });
  });

  it('exits when the pod requests it, and reports its state to probes', async () => {
    await agent.configure({ secrets: [{ path: 'own/api', file: 'api.json' }] });
    await agent.startReady();
    const asking = await AgentProcess.make(broker);
    await asking.configure({ secrets: [{ path: 'own/api' }], health: { port: agent.healthPort } });
    asking.start(['healthcheck', '--ready']);
    expect(await asking.ended()).toMatchObject({ code: 0 });
    asking.start(['quit']);
    expect(await asking.ended()).toMatchObject({ code: 0 });
    expect(await agent.ended()).toEqual({ code: 0, signal: null });
    asking.start(['healthcheck']);
    expect(await asking.ended()).toMatchObject({ code: 1 });
    await asking.remove();
  });
});
