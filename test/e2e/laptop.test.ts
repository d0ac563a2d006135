import { once } from 'node:events';
import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { findCanary } from '../kit/checks/find-canary.ts';
import { CommandLine } from '../kit/cli/command-line.ts';
import { PreparedBroker } from '../kit/broker/prepared-broker.ts';
import { eventually } from '../kit/time/eventually.ts';

const CANARY = `canary-laptop-5c2'"$x`;
const OTHER = 'canary-other-11ee';

let broker: PreparedBroker;
let laptop: CommandLine;

beforeAll(async () => {
  broker = await PreparedBroker.start({
    secrets: {
      'own/db': { user: 'app', password: CANARY },
      'own/mail': { MAIL_PASSWORD: OTHER, pem: 'a\nb\n' },
    },
  });
  await broker.create('/operators/dev', {
    grants: [{ role: 'secret-reader' }, { role: 'secret-editor' }, { role: 'auditor' }],
  });
  const { url } = broker.installation;
  const admin = await CommandLine.make();
  const token = await admin.write('token', broker.operator);
  laptop = await CommandLine.make();
  const own = join(laptop.directory, 'dev.token');
  const at = ['--url', url, '--token-file', token];
  await admin.ok('operator', 'token', 'create', 'dev', '--out', own, ...at);
  await laptop.ok('login', '--url', url, '--token-file', own);
  await admin.remove();
});

afterAll(async () => {
  await laptop.remove();
  await broker.remove();
});

/** Checks that no output and no argument had a value. */
function expectNoValues(): void {
  expect(findCanary(CANARY, { traces: laptop.traces })).toEqual([]);
  expect(findCanary(OTHER, { traces: laptop.traces })).toEqual([]);
}

const FROM = ['--env', 'DB_PASSWORD=own/db#password'];

describe('run', () => {
  it('gives values to the program alone, and passes on its exit code', async () => {
    const file = await laptop.write('refs.env', '# no secrets\nexport DB_USER=own/db#user\n');
    const program = 'printf %s "$DB_PASSWORD:$DB_USER" > seen; exit 7';
    const words = ['run', ...FROM, '--from', file, '--', 'sh', '-c', program];
    expect(await laptop.run(...words)).toMatchObject({ code: 7, out: '', err: '' });
    expect(await readFile(join(laptop.directory, 'seen'), 'utf8')).toBe(`${CANARY}:app`);
    expectNoValues();
  });

  it('passes on signals, and reports the one that ended the program', async () => {
    const trapped = 'trap "exit 9" TERM; echo ready; while :; do sleep 0.1; done';
    for (const [program, code] of [
      [trapped, 9],
      ['echo ready; while :; do sleep 0.1; done', 143],
    ] as const) {
      const child = laptop.begin('run', ...FROM, '--', 'sh', '-c', program);
      const closed = once(child, 'close');
      await once(child.stdout, 'data');
      child.kill('SIGTERM');
      expect((await closed)[0]).toBe(code);
    }
  });

  it.each([
    [['--env', 'DB=own/db#none', '--', 'true'], 4, 'own/db has no key "none"'],
    [['--env', 'DB=own/absent#k', '--', 'true'], 4, 'own/absent'],
    [['--env', 'DB=own/db', '--', 'true'], 64, 'must be NAME=path#key'],
    [['--env', CANARY, '--', 'true'], 64, '--env number 1'],
    [['--', 'true'], 64, 'run needs --env'],
    [[...FROM, '--', 'no-such-program'], 127, 'cannot be started: ENOENT'],
    [[...FROM, '--signal', 'SIGHUP', '--', 'true'], 64, '--signal needs --watch'],
  ])('refuses %j', async (words, code, text) => {
    const ran = await laptop.run('run', ...words);
    expect(ran).toMatchObject({ code });
    expect(ran.err).toContain(text);
    laptop.traces = laptop.traces.replace(`run ${words.join(' ')}\n`, '');
    expectNoValues();
  });
});

describe('.env files', () => {
  it('are written on request and read back without a change', async () => {
    expect((await laptop.run('get', 'own/db', '-o', 'dotenv')).code).toBe(64);
    const env = await laptop.ok('get', 'own/db', '--reveal', '-o', 'dotenv');
    laptop.traces = '';
    const file = await laptop.write('.env', `${env}export PLAIN = a b # comment\nREF="\${HOME}"\n`);
    const { err } = await laptop.run('put', 'own/copy', '--from-env', file);
    expect(err).toContain('in the value of REF are kept as they are');
    const read = await broker.read(await broker.logInEarly(), 'own/copy');
    const expected = { user: 'app', password: CANARY, PLAIN: 'a b', REF: '${HOME}' };
    expect(read.json['data']).toEqual(expected);
    await laptop.ok('patch', 'own/copy', '--from-env', file, '--remove', 'user').catch(() => '');
    expectNoValues();
  });

  it('hold several secrets whose keys differ, and no bytes', async () => {
    const twice = await laptop.run('get', 'own/db', 'own/db', '--reveal', '-o', 'dotenv');
    expect(twice).toMatchObject({ code: 1, out: '' });
    expect(twice.err).toContain('is also a key of another');
    const both = await laptop.ok('get', 'own/db', 'own/mail', '--reveal', '-o', 'dotenv');
    expect(both.split('\n')).toContain(`MAIL_PASSWORD=${OTHER}`);
    laptop.traces = '';
  });

  it.each([
    ['A=1\nA=2', 'the line sets A again'],
    [`A=1\nB="${OTHER}`, ':2: the line has no closing "'],
    [CANARY, ':1: the line is not NAME=value'],
    [`A=${OTHER}#x`, 'put quotes around it'],
    ['# nothing', 'sets no variable'],
  ])('are refused with the line, and without its text: %j', async (text, problem) => {
    const file = await laptop.write('bad.env', text);
    const { code, err } = await laptop.run('put', 'own/bad', '--from-env', file);
    expect(code).toBe(64);
    expect(err).toContain(problem);
    expectNoValues();
  });
});

/** Editors as the environment names them; the file is the last argument. */
function withEditor(program: string): Promise<CommandLine> {
  return CommandLine.make({ EDITOR: program, XDG_CONFIG_HOME: join(laptop.directory, '.config') });
}

async function editorFiles(): Promise<readonly string[]> {
  const names = await readdir('/dev/shm');
  return names.filter((name) => name.startsWith('quaymaster-edit-'));
}

/** The text in the file whose path the command printed. It deletes the file. */
async function takeKeptText(err: string): Promise<string> {
  const [, directory = ''] = /rm -r (\/dev\/shm\/quaymaster-kept-\w+)/.exec(err) ?? [];
  const file = join(directory, 'secret.yaml');
  const { mode } = await stat(file);
  expect(mode & 0o777).toBe(0o600);
  expect((await stat(directory)).mode & 0o777).toBe(0o700);
  const text = await readFile(file, 'utf8');
  await rm(directory, { recursive: true });
  return text;
}

describe('edit', () => {
  it('shows the plan by keys, writes the new version, and leaves nothing behind', async () => {
    const before = await editorFiles();
    const editor = await withEditor('sed -i -e "s/^user: .*/host: db.example/"');
    const { code, err, out } = await editor.run('edit', 'own/db', '--yes', '--comment', 'OPS-7');
    expect({ code, out }).toEqual({ code: 0, out: expect.stringMatching(/version +2/) });
    expect(err).toBe('+ host\n- user\n1 added, 0 changed, 1 removed, 1 the same\n');
    const { json } = await broker.read(await broker.logInEarly(), 'own/db');
    expect(json['data']).toEqual({ password: CANARY, host: 'db.example' });
    expect(findCanary(CANARY, { traces: editor.traces })).toEqual([]);
    await eventually('the files are gone', async () =>
      (await editorFiles()).every((name) => before.includes(name)) ? true : undefined,
    );
    await editor.remove();
  });

  it('keeps its file private, changes nothing without a change, and refuses other content', async () => {
    const looking = await withEditor('stat -c %a');
    expect(await looking.ok('edit', 'own/mail', '--yes')).toContain('600\nno change');
    await looking.remove();
    const failing = await withEditor('false');
    expect(await failing.run('edit', 'own/mail', '--yes')).toMatchObject({ code: 1 });
    await failing.remove();
    const wrong = await withEditor('sed -i -e "s/^MAIL_PASSWORD: .*/MAIL_PASSWORD: 12/"');
    const { code, err } = await wrong.run('edit', 'own/mail', '--yes');
    expect(code).toBe(64);
    expect(err).toContain('the value of MAIL_PASSWORD must be a string');
    expect(await takeKeptText(err)).toContain('MAIL_PASSWORD: 12');
    await wrong.remove();
  });

  it('keeps a text that the broker refuses in a private file, whose path it prints', async () => {
    await broker.write('own/raced', { user: 'app' });
    const editor = await withEditor('echo editing; read line; sed -i -e "s/: app/: mine/"');
    const child = editor.begin('edit', 'own/raced', '--yes');
    let err = '';
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    const exited = once(child, 'close');
    await once(child.stdout, 'data');
    const written = await laptop.pipe('{"user":"theirs"}', 'put', 'own/raced', '--from-json', '-');
    expect(written.code).toBe(0);
    child.stdin.end('save\n');
    expect((await exited)[0]).toBe(6);
    expect(await takeKeptText(err)).toContain('user: mine');
    await editor.remove();
  });

  it.each(['SIGTERM', 'SIGKILL'] as const)('leaves nothing behind after %s', async (signal) => {
    const before = await editorFiles();
    const editor = await withEditor('echo editing; sleep 60; true');
    const child = editor.begin('edit', 'own/mail', '--yes');
    const exited = once(child, 'exit');
    await once(child.stdout, 'data');
    expect((await editorFiles()).length).toBe(before.length + 1);
    child.kill(signal);
    await exited;
    await eventually('the file is gone', async () =>
      (await editorFiles()).length === before.length ? true : undefined,
    );
    await editor.remove();
  });
});

describe('copies', () => {
  it('are made, compared by keys and generated without a value in any output', async () => {
    expect(await laptop.ok('cp', 'own/mail', 'own/mail2')).toMatch(/version +1/);
    const again = await laptop.run('cp', 'own/mail', 'own/mail2');
    expect(again).toMatchObject({ code: 6 });
    expect(again.err).toContain('own/mail2 exists already');
    expect((await laptop.run('diff', 'own/mail', 'own/mail2')).code).toBe(0);
    expect(await laptop.ok('generate', 'own/mail2', 'pem', 'token')).toMatch(/version +2/);
    const { code, out } = await laptop.run('diff', 'own/mail2');
    expect(code).toBe(2);
    expect(out).toContain('own/mail2 version 1 → own/mail2 version 2\n+ token\n~ pem\n');
    expect((await laptop.run('diff', 'own/mail', 'own/mail2', '-o', 'json')).code).toBe(2);
    await laptop.ok('cp', 'own/mail2', 'own/mail2', '--version', '1', '--replace');
    expect((await laptop.run('diff', 'own/mail', 'own/mail2')).code).toBe(0);
    expect(await laptop.ok('generate', 'own/new', 'key', '--length', '40')).toMatch(/version +1/);
    const weak = await laptop.run('generate', 'own/new', 'key', '--length', '3');
    expect(weak).toMatchObject({ code: 64 });
    expect((await laptop.run('diff', 'own/new')).code).toBe(4);
    expectNoValues();
    const read = await broker.read(await broker.logInEarly(), 'own/new');
    expect(read.json['data']).toEqual({ key: expect.stringMatching(/^[A-Za-z0-9]{40}$/) });
  });
});
