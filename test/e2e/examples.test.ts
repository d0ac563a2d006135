import { spawn, execFile } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect, type AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import { createServer, type Server } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { describeWithProgram } from '../kit/backends/describe-with-program.ts';
import { findCanary } from '../kit/checks/find-canary.ts';
import { CertificateAuthority } from '../kit/network/certificates.ts';
import { PreparedBroker } from '../kit/broker/prepared-broker.ts';
import { textOf } from '../kit/pages/tracked-files.ts';

const EXAMPLES = fileURLToPath(new URL('../../docs/examples/', import.meta.url));
const CLIENT = fileURLToPath(new URL('../../dist/packages/client', import.meta.url));
const PYTHON_CLIENT = fileURLToPath(new URL('../../clients/python/src', import.meta.url));
const NODE = fileURLToPath(new URL('../../node_modules/.bin/node', import.meta.url));
const VALUES = ['canary-of-the-first-version', 'canary-of-the-second-version'];
const FIRST = '/api/v1/secrets/own';

let broker: PreparedBroker;
let tokenFile: string;
/** Terminates TLS before the broker. */
let tls: Server;
let overTls: Readonly<Record<string, string>>;

beforeAll(async () => {
  broker = await PreparedBroker.start();
  await broker.logInEarly();
  tokenFile = await broker.installation.write('pod.token', `${broker.serviceAccountToken()}\n`);
  const authority = new CertificateAuthority();
  const { cert, key } = authority.issue({ commonName: 'broker', ipAddresses: ['127.0.0.1'] });
  tls = createServer({ cert, key, minVersion: 'TLSv1.3' }, (socket) => {
    const inner = connect(Number(new URL(broker.installation.url).port), '127.0.0.1');
    for (const end of [socket, inner]) end.on('error', () => inner.destroy());
    socket.pipe(inner).pipe(socket);
  });
  tls.listen(0, '127.0.0.1');
  await once(tls, 'listening');
  overTls = {
    QUAYMASTER_URL: `https://127.0.0.1:${(tls.address() as AddressInfo).port}`,
    QUAYMASTER_CA_FILE: await broker.installation.write('ca.pem', authority.cert),
  };
});
afterAll(async () => {
  tls.close();
  await broker.remove();
});

async function write(path: string, password: string | undefined): Promise<void> {
  const answer = await broker.installation.call('PUT', `${FIRST}/${path}`, {
    token: broker.operator,
    body: { data: { password } },
  });
  expect(answer.status).toBeLessThan(300);
}

/** Runs an example to its end, and changes the first secret when it follows. @returns all its output. */
async function follow(
  name: string,
  command: readonly string[],
  where: Readonly<Record<string, string>>,
): Promise<readonly string[]> {
  await write(name, VALUES[0]);
  const [program = '', ...words] = command;
  const child = spawn(program, [...words, `own/${name}`, `own/${name}-none`], {
    env: {
      PATH: process.env['PATH'],
      HOME: broker.installation.directory,
      ...where,
      QUAYMASTER_CLUSTER: 'c1',
      QUAYMASTER_TOKEN_FILE: tokenFile,
    },
  });
  const ended = once(child, 'exit');
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line);
    if (line === 'following') await write(name, VALUES[1]);
  }
  const [code] = (await ended) as [number | null];
  return [...lines, ...(errors === '' ? [] : [errors]), `exit ${code}`];
}

/** The behaviour of each example in docs/client.md. */
async function expectFollowed(
  name: string,
  command: readonly string[],
  where = overTls,
): Promise<void> {
  const lines = await follow(name, command, where);
  expect(lines).toEqual([
    `own/${name} version 1`,
    `own/${name}-none ERR_NOT_FOUND`,
    'following',
    `own/${name} changed, version 2`,
    'renewed',
    'exit 0',
  ]);
  const secrets = [...VALUES, broker.serviceAccountToken()];
  expect(secrets.flatMap((secret) => findCanary(secret, { output: lines.join('\n') }))).toEqual([]);
}

/** Installs the built package `@quaymaster/client` in a new folder. */
async function folderWithClient(name: string): Promise<string> {
  const folder = broker.installation.file(name);
  const scope = join(folder, 'node_modules/@quaymaster');
  await mkdir(scope, { recursive: true });
  await symlink(CLIENT, join(scope, 'client'));
  return folder;
}

/** The program in the README of a package, with the broker of this test in place of the reader's. */
function programOf(readme: string): string {
  const [, shown = ''] = /```\w+\n([^]*?)```/.exec(textOf(readme)) ?? [];
  const here = {
    'https://quaymaster.quaymaster.svc:8200': overTls['QUAYMASTER_URL'] ?? '',
    'prod-eu': 'c1',
    '/var/run/secrets/quaymaster/token': tokenFile,
    '/etc/quaymaster/ca.pem': overTls['QUAYMASTER_CA_FILE'] ?? '',
    'payments/db': 'own/readme',
  };
  return Object.entries(here).reduce((program, [there, ours]) => {
    expect(program).toContain(there);
    return program.replaceAll(there, ours);
  }, shown);
}

/** Runs the program of a README until it has printed a change. @returns what it printed */
async function followedReadme(
  command: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<readonly string[]> {
  const [program = '', ...words] = command;
  const data = { username: 'app', password: VALUES[0] };
  await writeReadme(data);
  const child = spawn(program, words, {
    env: { PATH: process.env['PATH'], ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line.replace(/\d+$/, 'N'));
    if (lines.length === 2) await writeReadme(data);
    if (lines.length === 3) child.kill('SIGKILL');
  }
  return lines;
}

async function writeReadme(data: object): Promise<void> {
  const { status } = await broker.installation.call('PUT', `${FIRST}/readme`, {
    token: broker.operator,
    body: { data },
  });
  expect(status).toBeLessThan(300);
}

const README_LINES = [
  'user of the database: app',
  'own/readme is now version N',
  'own/readme is now version N',
];

/** A first build compiles the standard library. */
const EXAMPLE_MS = 180_000;

function example(what: string, program: string, body: (program: string) => Promise<void>): void {
  describeWithProgram(program, what, (found) => {
    it('reads, follows, renews and prints no value', () => body(found), EXAMPLE_MS);
  });
}

describe('the example', () => {
  it('reads, follows and renews sealed answers in JavaScript, and prints no value', async () => {
    // A proof names the address that the client sees: a broker behind a proxy that terminates TLS must know that
    // address.
    const where = { QUAYMASTER_URL: broker.installation.url };
    const program = join(await folderWithClient('js'), 'follow-secrets.mjs');
    await copyFile(join(EXAMPLES, 'follow-secrets.mjs'), program);
    await expectFollowed('js', [NODE, program], where);
  });

  example('in Python', 'python3', (python) =>
    expectFollowed('python', [python, join(EXAMPLES, 'follow_secrets.py')]),
  );

  example('in Go', 'go', async (go) => {
    const built = broker.installation.file('follow-secrets');
    await promisify(execFile)(go, ['build', '-o', built, join(EXAMPLES, 'follow-secrets.go')]);
    await expectFollowed('go', [built]);
  });

  example('in a shell', 'curl', () =>
    expectFollowed('shell', ['sh', join(EXAMPLES, 'follow-secrets.sh')]),
  );
});

describe('the program in the README of a client', () => {
  it('reads a secret and follows its changes in JavaScript', async () => {
    const program = join(await folderWithClient('readme'), 'use.mjs');
    await writeFile(program, programOf('clients/typescript/README.md'));
    expect(await followedReadme([NODE, program])).toEqual(README_LINES);
  });

  describeWithProgram('python3', 'of Python', (python) => {
    it('reads a secret and follows its changes', async () => {
      const program = programOf('clients/python/README.md');
      const environment = { PYTHONPATH: PYTHON_CLIENT, PYTHONDONTWRITEBYTECODE: '1' };
      expect(await followedReadme([python, '-c', program], environment)).toEqual(README_LINES);
    });
  });
});
