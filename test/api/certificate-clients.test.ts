import { chmod, readFile, rm, writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { failureOf, type Failure } from '../../src/cli/output/failure.ts';
import { findTarget } from '../../src/cli/connection/connection.ts';
import { openBroker } from '../../src/cli/connection/open-broker.ts';
import { runLogin, type LoginOptions } from '../../src/cli/verbs/login.ts';
import { BrokerClient, CertificateFiles, WorkloadSession } from '../../src/client/index.ts';
import { systemClock } from '../../src/process/clock.ts';
import { buildAgent } from '../../src/delivery/agent/verbs/build-agent.ts';
import { checkSettings } from '../../src/delivery/settings/settings.ts';
import { until } from '../kit/backends/until.ts';
import type { Certificate } from '../kit/network/certificates.ts';
import { cliContext, type CapturedContext } from '../kit/cli/cli-context.ts';
import { DIGITAL_SIGNATURE, SHOP, SvidApi } from '../kit/identity/svid-api.ts';

let broker: SvidApi;

afterEach(() => broker.stop());

async function write({ cert, key }: Certificate): Promise<void> {
  await writeFile(broker.file('svid.pem'), cert);
  await writeFile(broker.file('svid.key'), key, { mode: 0o600 });
}

/** Whole seconds, as certificates have. */
const inSeconds = (seconds: number): Date =>
  new Date(Math.floor(Date.now() / 1000) * 1000 + seconds * 1000);
const foreign = (): Certificate =>
  broker.other.issue({ commonName: 'x', uris: [SHOP], keyUsage: DIGITAL_SIGNATURE });

function commandLine(): CapturedContext {
  return { ...cliContext({ configDirectory: broker.file('cli') }), clock: systemClock };
}

function certificateOptions(more: LoginOptions = {}): LoginOptions {
  return {
    name: 'mesh',
    url: broker.url,
    ca: broker.file('ca.pem'),
    clientCert: broker.file('svid.pem'),
    clientKey: broker.file('svid.key'),
    ...more,
  };
}

async function login(options: LoginOptions, context = commandLine()): Promise<string | Failure> {
  return runLogin(context, { args: [], options }).then(() => context.out(), failureOf);
}

/** Reads a secret with the profile that the last login saved. */
async function read(context: CapturedContext): Promise<unknown> {
  const target = await findTarget({}, context.environment);
  const { broker: client, close } = await openBroker(target, context);
  try {
    return (await client.call('readSecret', { path: { path: 'app/db' } })).body.data;
  } finally {
    close();
  }
}

describe('with a listener that asks for client certificates', () => {
  beforeEach(async () => {
    broker = await SvidApi.start();
  });

  it('the command line logs in by certificate, saves the names of its files, and logs in again by them', async () => {
    await write(broker.svid({ notAfter: inSeconds(240) }));
    const context = commandLine();
    expect(await login(certificateOptions({ cluster: 'mesh' }), context)).toContain(
      'as a workload of cluster mesh',
    );
    const profile = await readFile(broker.file('cli/profiles/mesh.json'), 'utf8');
    expect(JSON.parse(profile)).toMatchObject({ clientCertFile: broker.file('svid.pem') });
    expect(profile).not.toContain('PRIVATE KEY');
    // The session expires soon, so the next command renews it with the certificate that is in the file now.
    const end = inSeconds(3_600);
    await write(broker.svid({ notAfter: end }));
    expect(await read(context)).toEqual({ password: 's3cret' });
    const { login: saved } = (await findTarget({}, context.environment)).profile;
    expect(saved).toMatchObject({ session: { endsAt: end.toISOString() } });
    expect(context.err()).toBe('');
  });

  it.each<[string, () => Certificate]>([
    ['expired', () => broker.svid({ notAfter: inSeconds(-60) })],
    ['signed by the authority of another trust domain', foreign],
  ])('the broker refuses a login of the command line if the certificate is %s', async (_, make) => {
    await write(make());
    expect(await login(certificateOptions({ cluster: 'mesh' }))).toMatchObject({
      exitCode: 3,
      text: expect.stringMatching(/^ERR_TOKEN_INVALID: [^]*--client-cert/),
    });
  });

  it('the command line names the file that it cannot use, before it connects', async () => {
    await write(broker.svid());
    await rm(broker.file('svid.key'));
    expect(await login(certificateOptions({ cluster: 'mesh' }))).toMatchObject({
      exitCode: 64,
      text: `${broker.file('svid.key')} does not exist (--client-cert, --client-key)`,
    });
    const alone = { url: broker.url, cluster: 'mesh', clientCert: broker.file('svid.pem') };
    expect(await login(alone)).toMatchObject({
      exitCode: 64,
      text: expect.stringContaining('needs both --client-cert and --client-key'),
    });
  });

  it('the command line warns if other users can read the key', async () => {
    await write(broker.svid());
    await chmod(broker.file('svid.key'), 0o640);
    const context = commandLine();
    await login(certificateOptions({ cluster: 'mesh' }), context);
    expect(context.err()).toContain(`run: chmod 600 ${broker.file('svid.key')}`);
  });

  it('a client renews its session with the certificate that replaced the first one', async () => {
    await write(broker.svid({ notAfter: inSeconds(600) }));
    const files = new CertificateFiles({
      certFile: broker.file('svid.pem'),
      keyFile: broker.file('svid.key'),
    });
    const client = new BrokerClient({
      url: broker.url,
      ca: broker.server.cert,
      clientCertificate: () => files.current(),
    });
    const session = await WorkloadSession.logIn(client, { cluster: 'mesh' });
    const followed = session.follow(['app/db']);
    expect((await followed.next()).value).toMatchObject({ data: { password: 's3cret' } });
    const end = inSeconds(1_200);
    await write(broker.svid({ notAfter: end }));
    await session.renew();
    expect(session.endsAt).toBe(end.getTime());
    // The stream over the first connection still works.
    const body = { data: { password: 'changed' } };
    const token = broker.api.admin;
    await broker.call('PUT', '/secrets/app/db', { token, body, headers: { 'if-match': '"1"' } });
    expect((await followed.next()).value).toMatchObject({ data: { password: 'changed' } });
    await followed.return(undefined);
    client.close();
  });
});

describe('with a listener that requires client certificates', () => {
  beforeEach(async () => {
    broker = await SvidApi.start({ tls: { clientAuth: 'required' } });
  });

  it('an operator uses a token over a connection with a certificate; without one, the message names the options', async () => {
    await write(broker.svid());
    const tokenFile = broker.file('admin.token');
    await writeFile(tokenFile, broker.api.admin, { mode: 0o600 });
    expect(await login(certificateOptions({ tokenFile }))).toContain('as an operator');
    const without = { name: 'x', url: broker.url, ca: broker.file('ca.pem'), tokenFile };
    expect(await login(without)).toMatchObject({
      exitCode: 5,
      text: expect.stringContaining('the listener requires a valid client certificate'),
    });
  });

  it('an agent logs in by certificate, and again with the one that replaced it (F48)', async () => {
    const [first, second] = [inSeconds(1_800), inSeconds(3_600)];
    await write(broker.svid({ notAfter: first }));
    const settings = checkSettings(
      {
        broker: {
          url: broker.url,
          caFile: broker.file('ca.pem'),
          clientCertFile: broker.file('svid.pem'),
          clientKeyFile: broker.file('svid.key'),
        },
        cluster: 'mesh',
        login: 'certificate',
        directory: broker.file('secrets'),
        secrets: [{ path: 'app/db', file: 'db.json' }],
        log: { level: 'error' },
      },
      'test',
    );
    const { agent, close } = await buildAgent(settings, { isResident: true });
    const stop = new AbortController();
    try {
      await agent.start(stop.signal);
      const running = agent.run(stop.signal);
      expect(await readFile(broker.file('secrets/db.json'), 'utf8')).toContain('s3cret');
      expect(await sessionEnds()).toEqual([first.toISOString()]);
      await write(broker.svid({ notAfter: second }));
      const ended = await broker.call('POST', '/sessions:end', {
        token: broker.api.admin,
        own: broker.svid(),
        body: { by: 'workload', workload: 'ci://mesh/ns/prod/shop' },
      });
      expect(ended.status).toBe(200);
      await until('the agent has a session of the new certificate', async () =>
        (await sessionEnds()).includes(second.toISOString()),
      );
      stop.abort();
      await running;
    } finally {
      stop.abort();
      await agent.stop();
      close();
    }
  });

  it('an agent names the file that it cannot use', async () => {
    await write(broker.svid());
    await rm(broker.file('svid.key'));
    const settings = checkSettings(
      {
        broker: {
          url: broker.url,
          clientCertFile: broker.file('svid.pem'),
          clientKeyFile: broker.file('svid.key'),
        },
        cluster: 'mesh',
        login: 'certificate',
        secrets: [{ path: 'app/db', file: 'db.json' }],
      },
      'test',
    );
    await expect(buildAgent(settings, { isResident: false })).rejects.toThrow(
      `${broker.file('svid.key')} does not exist`,
    );
  });
});

async function sessionEnds(): Promise<readonly unknown[]> {
  const own = broker.svid();
  const { body } = await broker.call('GET', '/sessions', { token: broker.api.admin, own });
  return (body['items'] as { readonly endsAt: string }[]).map(({ endsAt }) => endsAt);
}
