import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { describe, expect, it } from '@jest/globals';
import { until } from '../kit/backends/until.ts';
import type { AgentProcess } from '../kit/delivery/agent-process.ts';
import { agentSuite } from '../kit/delivery/agent-suite.ts';
import type { PreparedBroker } from '../kit/broker/prepared-broker.ts';

const PASSWORD = 'canary-once-8d2f';

let broker: PreparedBroker;
let agent: AgentProcess;

agentSuite({
  canary: PASSWORD,
  furniture: {
    secrets: {
      'own/db': { user: 'app', password: PASSWORD },
      'own/api': { key: `${PASSWORD}-api` },
    },
  },
  begin: (running) => ({ broker, agent } = running),
});

describe('quaymaster agent --once', () => {
  it('writes everything and exits with 0', async () => {
    await agent.configure({
      secrets: [
        { path: 'own/db', file: 'db.json' },
        { path: 'own/api', file: 'api', format: 'files' },
      ],
    });
    agent.start(['--once']);
    expect(await agent.ended()).toEqual({ code: 0, signal: null });
    expect(JSON.parse((await agent.read('db.json'))!)).toEqual({ user: 'app', password: PASSWORD });
    expect(await agent.read('api/key')).toBe(`${PASSWORD}-api`);
    expect((await stat(`${agent.file('secrets')}/db.json`)).mode & 0o777).toBe(0o400);
  });

  it('exits after it notified the application of changes, and not before', async () => {
    await broker.write('own/changed', { password: 'first' });
    const told = agent.file('told');
    await agent.configure({
      secrets: [{ path: 'own/changed', file: 'db.json' }],
      onChange: [
        { command: ['sh', '-c', 'exit 3'] },
        { command: ['sh', '-c', `sleep 1; cp ${agent.file('secrets/db.json')} ${told}`] },
      ],
    });
    agent.start(['--once']);
    expect(await agent.ended()).toMatchObject({ code: 0 });
    expect(existsSync(told)).toBe(false);
    await broker.installation.call('PUT', '/api/v1/secrets/own/changed', {
      token: broker.operator,
      body: { data: { password: 'second' } },
      headers: { 'if-match': '"1"' },
    });
    agent.start(['--once']);
    expect(await agent.ended()).toMatchObject({ code: 0 });
    expect(await readFile(told, 'utf8')).toContain('second');
    expect(agent.logged('the application could not be notified')).toMatchObject([
      { reason: 'command_exit_3' },
    ]);
  });

  it('exits after a signal with 128 and its number, whatever it waits for', async () => {
    const broken = { url: 'http://127.0.0.1:9' };
    await agent.configure({ broker: broken, secrets: [{ path: 'own/db', file: 'db.json' }] });
    agent.start(['--once']);
    await until('it has started', () => {
      return Promise.resolve(agent.logged('the broker does not serve this agent now').length > 0);
    });
    expect(await agent.stop('SIGTERM')).toEqual({ code: 143, signal: null });
  });

  it('lets its session expire, because the application uses the files', async () => {
    await agent.configure({ secrets: [{ path: 'own/db', file: 'db.json' }] });
    agent.start(['--once']);
    await agent.ended();
    const leases = await broker.installation.call('GET', '/api/v1/leases?path=own/db&state=live', {
      token: broker.operator,
    });
    expect(leases.json['items']).not.toEqual([]);
  });

  it('exits with 4 if a secret is denied, and names it and the request', async () => {
    await agent.configure({ secrets: [{ path: 'other/db', file: 'db.json' }] });
    agent.start(['--once']);
    expect(await agent.ended()).toMatchObject({ code: 4 });
    expect(agent.output).toMatch(/other\/db: .*\(ERR_[A-Z_]+, request req_\w+\)/);
  });

  it('starts without optional secrets', async () => {
    const secrets = [
      { path: 'own/db', file: 'db.json' },
      { path: 'own/absent', file: 'absent.json', optional: true },
    ];
    await agent.configure({ secrets });
    agent.start(['--once']);
    expect(await agent.ended()).toMatchObject({ code: 0 });
    expect(await agent.read('absent.json')).toBeUndefined();
    expect(agent.output).toContain('secret not received: it does not exist');
  });

  it('exits with 4 if the token is not accepted', async () => {
    await agent.configure({ secrets: [{ path: 'own/db', file: 'db.json' }] });
    await agent.rotateToken('eyJhbGciOiJub25lIn0.e30.');
    agent.start(['--once']);
    expect(await agent.ended()).toMatchObject({ code: 4 });
    expect(agent.output).toContain('ERR_TOKEN_INVALID');
    expect(agent.output).not.toContain('eyJ');
  });

  it('exits with 2 if the token is missing, or the configuration is invalid', async () => {
    await agent.configure({ secrets: [{ path: 'own/db' }], tokenFile: agent.file('nowhere') });
    agent.start(['--once']);
    expect(await agent.ended()).toMatchObject({ code: 2 });
    expect(agent.output).toContain('ENOENT');
    await agent.configure({ secrets: [{ pth: 'own/db' }] });
    agent.start(['config', 'check']);
    expect(await agent.ended()).toMatchObject({ code: 2 });
    expect(agent.output).toContain('/secrets/0: unknown key "pth"; did you mean "path"?');
    await agent.configure({
      secrets: [
        { path: 'own/db', file: 'a' },
        { path: 'own/api', file: 'a/b' },
      ],
      templates: [
        { file: 'app.conf', text: '{{ secrets.absent.key }}' },
        { file: 'other.conf', source: agent.file('nowhere') },
      ],
    });
    agent.start(['config', 'check']);
    expect(await agent.ended()).toMatchObject({ code: 2 });
    expect(agent.output).toContain('/secrets/1/file: overlaps with /secrets/0/file');
    expect(agent.output).toContain('/templates/0: app.conf uses secrets that');
    expect(agent.output).not.toContain('nowhere');
  });

  it('exits with 3 if no broker answers in time', async () => {
    await agent.configure({
      broker: { url: 'http://127.0.0.1:9' },
      secrets: [{ path: 'own/db', file: 'db.json' }],
    });
    agent.start(['--once', '--timeout', '1s']);
    expect(await agent.ended()).toMatchObject({ code: 3 });
    expect(agent.output).toContain('broker_unreachable');
  });

  it('exits with 5 if a file cannot be written, and prints no value', async () => {
    await agent.configure({
      secrets: [{ path: 'own/db' }],
      templates: [{ file: 'app.conf', text: '{{ secrets.db.nothing }}' }],
    });
    agent.start(['--once']);
    expect(await agent.ended()).toMatchObject({ code: 5 });
    expect(await agent.read('app.conf')).toBeUndefined();
  });
});
