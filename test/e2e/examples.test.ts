import { spawn, execFile } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { connect, type AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import { createServer, type Server } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { findProgram } from '../kit/backends/find-program.ts';
import { findCanary } from '../kit/checks/find-canary.ts';
import { CertificateAuthority } from '../kit/network/certificates.ts';
import { PreparedBroker } from '../kit/broker/prepared-broker.ts';

const EXAMPLES = fileURLToPath(new URL('../../docs/examples/', import.meta.url));
const CLIENT = fileURLToPath(new URL('../../dist/packages/client', import.meta.url));
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

/** A copy of the example in a folder in which the built package `@quaymaster/client` is installed. */
async function installedBesideClient(directory: string): Promise<string> {
  const scope = join(directory, 'node_modules/@quaymaster');
  await mkdir(scope, { recursive: true });
  await symlink(CLIENT, join(scope, 'client'));
  const program = join(directory, 'follow-secrets.mjs');
  await copyFile(join(EXAMPLES, 'follow-secrets.mjs'), program);
  return program;
}

/** A first build compiles the standard library. */
const EXAMPLE_MS = 180_000;

/** A runtime that is not on this machine skips its example, with a report. */
function example(what: string, program: string, body: (program: string) => Promise<void>): void {
  const found = findProgram(program);
  if (found === null) process.stderr.write(`left out: ${what} (no ${program} on PATH)\n`);
  (found === null ? it.skip : it)(
    `${what} reads, follows, renews and prints no value`,
    () => body(found ?? ''),
    EXAMPLE_MS,
  );
}

describe('the example', () => {
  it('reads, follows and renews sealed answers in JavaScript, and prints no value', async () => {
    // A proof names the address that the client sees: a broker behind a proxy that terminates TLS must know that
    // address.
    const where = { QUAYMASTER_URL: broker.installation.url };
    const program = await installedBesideClient(broker.installation.directory);
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
