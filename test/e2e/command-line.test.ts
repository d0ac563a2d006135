import { once } from 'node:events';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { findCanary } from '../kit/checks/find-canary.ts';
import { CommandLine } from '../kit/cli/command-line.ts';
import { eventually } from '../kit/time/eventually.ts';
import { PreparedBroker } from '../kit/broker/prepared-broker.ts';

const CANARY = 'canary-7f3kQz9!"x';
const API_VERSION = 'quaymaster.dev/v1';

let prepared: PreparedBroker;
let operator: CommandLine;
let pod: CommandLine;

beforeAll(async () => {
  prepared = await PreparedBroker.start();
  const { url } = prepared.installation;
  operator = await CommandLine.make();
  const token = await operator.write('token', `${prepared.operator}\n`);
  await operator.ok('login', '--url', url, '--token-file', token);
  pod = await CommandLine.make();
  const podToken = await pod.write('pod-token', prepared.serviceAccountToken());
  await eventually('a session', async () => {
    const words = ['--cluster', 'c1', '--pod-token-file', podToken];
    const { code } = await pod.run('login', '--url', url, ...words);
    return code === 0 ? true : undefined;
  });
});
afterAll(async () => {
  await operator.remove();
  await pod.remove();
  await prepared.remove();
});

describe('logging in', () => {
  it('shows the identity, and keeps the token private', async () => {
    expect(await operator.ok('whoami')).toMatch(/operator\s+bootstrap\n/);
    expect(await pod.ok('whoami')).toContain('k8s://c1/prod/api');
    const kept = join(operator.directory, '.config/quaymaster/profiles/default.json');
    expect((await stat(kept)).mode & 0o777).toBe(0o600);
  });

  it('refuses a token that the broker does not know, and stores nothing of it', async () => {
    const stranger = await CommandLine.make();
    const token = `qmo_${'x'.repeat(49)}`;
    const { url } = prepared.installation;
    const { code, err } = await stranger.pipe(token, 'login', '--url', url, '--token-stdin');
    expect(code).toBe(3);
    expect(err).toContain('ERR_UNAUTHENTICATED');
    expect((await stranger.run('whoami')).code).toBe(64);
    expect(stranger.traces).not.toContain(token);
    await stranger.remove();
  });

  it('is undone by logout, which revokes an operator token only on request', async () => {
    const other = await CommandLine.make();
    const { url } = prepared.installation;
    const out = join(other.directory, 'made');
    await operator.ok(
      'operator',
      'token',
      'create',
      'bootstrap',
      '--out',
      out,
      '--role',
      'auditor',
    );
    expect((await stat(out)).mode & 0o777).toBe(0o600);
    await other.ok('login', '--url', url, '--token-file', out);
    expect((await other.run('ls')).code).toBe(3);
    await other.ok('logout', '--revoke');
    expect((await other.run('whoami', '--url', url, '--token-file', out)).code).toBe(3);
    const listed = await operator.ok('operator', 'token', 'ls', 'bootstrap');
    expect(listed).not.toContain('qmo_');
    await other.remove();
  });
});

describe('the session of a pod', () => {
  const kept = (): string => join(pod.directory, '.config/quaymaster/profiles/default.json');
  interface Kept {
    readonly login: { readonly session: { readonly token: string; readonly endsAt: string } };
  }
  const read = async (): Promise<Kept> => JSON.parse(await readFile(kept(), 'utf8')) as Kept;
  /** The next verb finds a session that expires then. */
  const pretend = async (endsAt: number): Promise<void> => {
    const profile = await read();
    const session = { ...profile.login.session, endsAt: new Date(endsAt).toISOString() };
    await writeFile(kept(), JSON.stringify({ ...profile, login: { ...profile.login, session } }));
  };

  it('is renewed when it expires soon, and opened again when it has expired', async () => {
    const { session } = (await read()).login;
    await pretend(Date.now() + 60_000);
    await pod.ok('whoami');
    const renewed = (await read()).login.session;
    expect(renewed.token).toBe(session.token);
    expect(Date.parse(renewed.endsAt)).toBeGreaterThan(Date.now() + 600_000);
    await pretend(Date.now() - 1);
    await pod.ok('whoami');
    expect((await read()).login.session.token).not.toBe(session.token);
    expect((await stat(kept())).mode & 0o777).toBe(0o600);
  });
});

describe('secrets', () => {
  it('are written from standard input and shown only on request', async () => {
    const { code } = await operator.pipe(CANARY, 'put', 'own/one', 'password=-', '--create');
    expect(code).toBe(0);
    const masked = await pod.run('get', 'own/one');
    expect(masked).toMatchObject({ code: 0, err: '' });
    expect(masked.out).toContain('[masked]');
    expect(findCanary(CANARY, { operator: operator.traces, pod: pod.traces })).toEqual([]);
    const { out } = await pod.run('get', 'own/one', '--key', 'password', '--reveal');
    expect(out).toBe(CANARY);
    pod.traces = '';
  });

  it('exit with a code for the outcome', async () => {
    const [absent, again, twice, words, unknown] = await Promise.all([
      pod.run('get', 'own/none'),
      operator.pipe('x', 'put', 'own/one', 'k=-', '--create'),
      operator.run('get', 'own/one', 'other/x'),
      pod.run('put', 'own/one', `k=${CANARY}`),
      pod.run('gett', 'own/one'),
    ]);
    const codes = [absent, again, twice, words, unknown].map(({ code }) => code);
    expect(codes).toEqual([4, 6, 3, 64, 64]);
    expect(absent.err).toMatch(/ERR_NOT_FOUND: .*\n {2}request req_/);
    expect(words.err).not.toContain(CANARY);
    expect(unknown.err).toContain('Did you mean get?');
    pod.traces = '';
  });

  it('are listed, stored in versions, acknowledged, and destroyed only with a confirmation', async () => {
    const note = ['--comment', 'OPS-7', '--label', 'team=pay'];
    await operator.pipe('v2', 'put', 'own/one', 'password=-', '--if-version', '1', ...note);
    expect((await operator.json('versions', 'own/one')).items).toHaveLength(2);
    expect(await operator.ok('versions', 'own/one')).toMatch(/current .* put +OPS-7 +team=pay/);
    await pod.ok('get', 'own/one');
    expect(await pod.ok('ack', 'own/one', '--version', '2')).toMatch(/ended leases\s+\d/);
    expect((await operator.run('rm', 'own/one')).code).toBe(64);
    expect(await operator.ok('rm', 'own/one', '--yes')).toMatch(
      /destroyed in [67] d .*\nto restore it: quaymaster undelete own\/one/,
    );
    expect((await operator.json('ls', 'own')).items).toEqual([]);
    expect(await operator.ok('ls', 'own', '--deleted')).toMatch(
      /^PATH +VERSION +DESTROYED\nown\/one +2 +in [67] d$/m,
    );
    await operator.ok('undelete', 'own/one');
    expect((await operator.json('ls', 'own', '--deleted')).items).toEqual([]);
    expect((await operator.json('ls', 'own')).items).toHaveLength(1);
    expect((await operator.run('destroy', 'own/one')).code).toBe(64);
    await operator.ok('destroy', 'own/one', '--versions', '1', '--yes');
    await operator.ok('destroy', 'own/one', '--yes');
    expect((await operator.run('undelete', 'own/one')).code).toBe(4);
  });

  it('cannot be read if no broker answers, which has another exit code', async () => {
    const words = [
      '--url',
      'http://127.0.0.1:9',
      '--token-file',
      join(operator.directory, 'token'),
    ];
    const { code, err } = await operator.run('ls', ...words);
    expect(code).toBe(5);
    expect(err).not.toContain(prepared.operator);
  });
});

const MOUNT = { apiVersion: API_VERSION, kind: 'Mount', metadata: { name: 'made' } };
const mount = (spec: object): string => JSON.stringify({ ...MOUNT, spec });
const policy = (name: string): string =>
  JSON.stringify({
    apiVersion: API_VERSION,
    kind: 'AccessPolicy',
    metadata: { name },
    spec: {
      subjects: [{ clusters: ['c1'], namespaces: ['x'], serviceAccounts: ['y'] }],
      rules: [{ effect: 'allow', paths: ['made/**'], capabilities: ['read'] }],
    },
  });

describe('documents', () => {
  it('are applied from files, and pruned only on request', async () => {
    const file = await operator.write(
      'all.yaml',
      `${mount({ prefix: 'made', connection: 'embedded' })}\n---\n${policy('made')}\n`,
    );
    expect((await operator.run('apply', '-f', file, '--dry-run')).code).toBe(2);
    await operator.ok('apply', '-f', file, '--yes');
    expect((await operator.run('apply', '-f', file, '--dry-run')).code).toBe(0);
    const changed = await operator.write(
      'all.yaml',
      `${mount({ prefix: 'made', connection: 'embedded', leaseTtl: '5m' })}\n---\n${policy('made2')}\n`,
    );
    const { out, code } = await operator.run('apply', '-f', changed, '--dry-run');
    expect({ code, out }).toMatchObject({ code: 2 });
    expect(out).toContain('/leaseTtl: + "5m"');
    const file2 = await operator.write('policies.yaml', `${policy('all2')}\n`);
    const plan = await operator.run('policy', 'diff', file2, '--prune', 'policy', '-o', 'json');
    const { items } = JSON.parse(plan.out) as { items: { action: string; name: string }[] };
    expect(items.map(({ action, name }) => `${action} ${name}`).sort()).toEqual([
      'create all2',
      'delete all',
      'delete made',
    ]);
  });

  it('are reported with the line of the file if invalid, and the rest stays unchanged', async () => {
    const bad = mount({ prefix: 'made', connection: 'nowhere' }).replaceAll(',', ',\n');
    const file = await operator.write('bad.json', bad);
    const { code, err } = await operator.run('apply', '-f', file, '--yes');
    expect(code).toBe(64);
    expect(err).toContain('the broker refuses these documents');
    expect(err).toMatch(/bad\.json:5:\d+: \/spec\/connection:? no such connection/);
    expect(await operator.ok('mount', 'get', 'made')).toContain('embedded');
  });

  it('are exported to files that change nothing', async () => {
    const text = await operator.ok('policy', 'ls', '--manifest');
    const mounts = await operator.ok('mount', 'ls', '--manifest');
    const { code } = await operator.pipe(`${text}${mounts}`, 'apply', '-f', '-', '--dry-run');
    expect(code).toBe(0);
  });

  it('are checked, explained, stored in versions and deleted', async () => {
    expect(await operator.ok('mount', 'check', 'made')).toContain('healthy');
    const who = 'k8s://c1/prod/api';
    expect((await operator.run('policy', 'explain', who, 'own/x')).code).toBe(0);
    expect((await operator.run('policy', 'explain', 'k8s://c1/stage/api', 'own/x')).code).toBe(3);
    const file = await operator.write('invalid.yaml', '{ kind: AccessPolicy }');
    expect((await operator.run('policy', 'validate', file)).code).toBe(1);
    expect((await operator.run('policy', 'validate', file, '--offline')).code).toBe(1);
    expect((await operator.json('policy', 'versions', 'made')).items).toHaveLength(1);
    await operator.ok('policy', 'rm', 'made', '--yes');
    expect((await operator.run('policy', 'get', 'made')).code).toBe(4);
    await operator.ok('cluster', 'get', 'c1');
    await operator.ok('operator', 'ls');
    await operator.ok('definition', 'ls');
  });
});

describe('leases, rotations and the log', () => {
  it('are shown, revoked and proven', async () => {
    await operator.pipe('v', 'put', 'own/held', 'password=-');
    await pod.ok('get', 'own/held');
    const { items } = await operator.json('lease', 'ls', '--path', 'own/held', '--state', 'live');
    const [{ id }] = items as [{ id: string }];
    expect(await pod.ok('lease', 'get', id)).toContain('live');
    await pod.ok('lease', 'renew', id);
    expect(await operator.ok('lease', 'revoke', id, '--comment', 'test')).toContain('revoked 1');
    expect((await operator.json('revocation', 'ls')).items).toEqual([]);
    const found = await operator.json('audit', 'search', '--lease', id, '--limit', '3');
    const [{ index }] = found.items as [{ index: number }];
    const key = (await operator.ok('audit', 'log-key')).trim();
    const proof = await eventually('a checkpoint over the entry', async () => {
      const ran = await operator.run('audit', 'proof', String(index), '--log-key', key);
      return ran.code === 0 ? ran.out : undefined;
    });
    expect(proof).toContain('the entry is in the log');
    expect(await operator.ok('audit', 'checkpoint')).toContain('quaymaster.test/e2e');
  });

  it('are revoked by their holder, and credentials are issued only by a provider that supports it', async () => {
    await operator.pipe('v', 'put', 'own/given', 'k=-');
    const { lease } = await pod.json('get', 'own/given');
    await pod.ok('lease', 'release', lease.id as string);
    expect(await operator.ok('lease', 'get', lease.id as string)).toContain('released');
    const { code, err } = await pod.run('credential', 'own/given');
    expect(code).not.toBe(0);
    expect(err).toMatch(/^ERR_/);
  });

  it('are rotated to the end, and drilled, and the new value is not shown', async () => {
    const definition = await operator.write(
      'definition.json',
      JSON.stringify({
        apiVersion: API_VERSION,
        kind: 'Definition',
        metadata: { name: 'own/turning' },
        spec: { rotation: { strategy: 'generated', options: { keys: { password: {} } } } },
      }),
    );
    await operator.pipe('old', 'put', 'own/turning', 'password=-');
    await operator.ok('apply', '-f', definition, '--yes');
    const ended = await operator.json('rotate', 'run', 'own/turning', '--wait', '--comment', 'x');
    expect(ended).toMatchObject({ state: 'done', version: '2' });
    expect(await operator.ok('rotate', 'ls')).toContain('own/turning');
    expect(await operator.ok('rotate', 'status', 'own/turning')).toContain('generated');
    expect((await operator.json('rotate', 'history', 'own/turning')).items).toHaveLength(1);
    expect((await operator.run('rotate', 'abort', 'own/turning')).code).toBe(6);
  });

  it('are drilled, rolled back and retired on request', async () => {
    const rotation = { strategy: 'generated', retire: 'manual' };
    const definition = await operator.write(
      'manual.json',
      JSON.stringify({
        apiVersion: API_VERSION,
        kind: 'Definition',
        metadata: { name: 'own/manual' },
        spec: { rotation },
      }),
    );
    await operator.pipe('old', 'put', 'own/manual', 'password=-');
    await operator.ok('apply', '-f', definition, '--yes');
    await pod.ok('get', 'own/manual');
    const drilled = await operator.json('rotate', 'drill', 'own/manual', '--wait');
    expect(drilled).toMatchObject({ kind: 'drill', state: 'done' });
    const settles = () =>
      eventually('it settles', async () => {
        const { active } = await operator.json('rotate', 'status', 'own/manual');
        return active?.step === 'settle' ? true : undefined;
      });
    const over = () =>
      eventually('it is over', async () => {
        const { active } = await operator.json('rotate', 'status', 'own/manual');
        return active === undefined ? true : undefined;
      });
    await operator.ok('rotate', 'run', 'own/manual');
    await settles();
    await operator.ok('rotate', 'rollback', 'own/manual', '--comment', 'test');
    await over();
    const back = await pod.run('get', 'own/manual', '--key', 'password', '--reveal');
    expect(back.out).toBe('old');
    await operator.ok('rotate', 'run', 'own/manual');
    await settles();
    await operator.ok('rotate', 'retire', 'own/manual');
    await over();
    const { items } = await operator.json('rotate', 'history', 'own/manual');
    const states = (items as { kind: string; state: string }[]).map((each) => each.state);
    expect(states).toEqual(['done', 'rolled_back', 'done']);
    expect((await operator.run('rotate', 'retry', 'own/manual')).code).toBe(6);
  });

  it('are followed until Ctrl-C, which prints no error', async () => {
    const tail = operator.begin('audit', 'tail', '--action', 'secret.write', '-o', 'json');
    let [out, err] = ['', ''];
    tail.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    tail.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    await eventually('entries', () => Promise.resolve(out.includes('\n') ? true : undefined));
    await operator.pipe('v', 'put', 'own/tailed', 'k=-');
    await eventually('the new entry', () =>
      Promise.resolve(out.includes('own/tailed') ? true : undefined),
    );
    tail.kill('SIGINT');
    expect((await once(tail, 'exit'))[0]).toBe(130);
    expect(err).toBe('');
  });

  it('report changes to a holder', async () => {
    await operator.pipe('v', 'put', 'own/told', 'k=-');
    await pod.ok('get', 'own/told');
    const events = pod.begin('events');
    let out = '';
    events.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    await eventually('the stream', () => Promise.resolve(out.includes('ready') ? true : undefined));
    await operator.pipe('w', 'put', 'own/told', 'k=-');
    await eventually('the event', () =>
      Promise.resolve(out.includes('secret.changed  own/told') ? true : undefined),
    );
    events.kill('SIGTERM');
    expect((await once(events, 'exit'))[0]).toBe(143);
  });
});

describe('the program', () => {
  it.each([
    ['a result', 'api readOpenApi'],
    ['a report', 'doctor'],
    ['its help', 'doctor --help'],
    ['an answer without a broker', 'version'],
    ['the help of the agent', 'agent --help'],
  ])('prints no error when its output is closed before it writes %s', async (_what, words) => {
    const child = operator.begin(...words.split(' '));
    let err = '';
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    child.stdout.destroy();
    expect((await once(child, 'exit'))[0]).toBe(141);
    expect(err).toBe('');
  });

  it('reports that its output cannot be written', async () => {
    const { code, err } = await operator.redirected('>/dev/full', 'completion', 'bash');
    expect(code).toBe(1);
    expect(err).toContain('cannot write to standard output: ENOSPC');
  });

  it('completes its work if its output is closed', async () => {
    const mounts = ['unheard1', 'unheard2'].map((name) =>
      JSON.stringify({
        ...MOUNT,
        metadata: { name },
        spec: { prefix: name, connection: 'embedded' },
      }),
    );
    const file = await operator.write('unheard.yaml', mounts.join('\n---\n'));
    const words = ['apply', '-f', file, '--yes'];
    expect(await operator.redirected('2>/dev/full', ...words)).toMatchObject({ code: 0 });
    expect((await operator.run('apply', '-f', file, '--dry-run')).code).toBe(0);
  });

  it('calls any operation by its name', async () => {
    const { items } = await operator.json('api', 'listMounts', '-p', 'limit=1');
    expect(items).toHaveLength(1);
    expect((await operator.run('api', 'listMounts', '-p', 'typo=1')).code).toBe(64);
    expect((await operator.run('api', 'nothing')).code).toBe(64);
  });

  it('reports invalid arguments, and sends nothing', async () => {
    const [kind, path, label] = await Promise.all([
      operator.run('apply', '-f', 'x', '--prune', 'mount,policies'),
      operator.run('get', '/own/told'),
      operator.run('policy', 'explain', 'k8s://c1/prod/api', 'own/x', '--label', 'app'),
    ]);
    expect([kind, path, label].map(({ code }) => code)).toEqual([64, 64, 64]);
    expect(kind.err).toContain('policies is not one of cluster, mount, operator');
    expect(kind.err).not.toContain('ERR_INTERNAL');
    expect(path.err).toContain('path is missing or invalid; a path has no slash at its beginning');
    expect(label.err).toBe('--label must be KEY=VALUE\n');
  });

  it('reports errors to machines on one line', async () => {
    const { code, err } = await operator.run('get', 'own/told', '-o', 'json');
    expect(code).toBe(3);
    expect(JSON.parse(err)).toMatchObject({ code: 'ERR_DENIED', status: 403 });
  });

  it('leaves no token in its output and its arguments', async () => {
    const profile = await readFile(
      join(pod.directory, '.config/quaymaster/profiles/default.json'),
      'utf8',
    );
    const { token } = (JSON.parse(profile) as { login: { session: { token: string } } }).login
      .session;
    const traces = { operator: operator.traces, pod: pod.traces };
    expect(findCanary(prepared.operator, traces)).toEqual([]);
    expect(findCanary(token, traces)).toEqual([]);
    await pod.ok('logout');
    expect((await pod.run('get', 'own/told')).code).toBe(64);
  });
});
