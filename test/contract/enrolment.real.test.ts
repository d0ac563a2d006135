import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { Serving } from '../../src/program/serving/serve.ts';
import { systemClock } from '../../src/process/clock.ts';
import { describeWith } from '../kit/backends/backends.ts';
import type { Running } from '../kit/backends/footprint.ts';
import {
  createNamespace,
  createPod,
  createSecret,
  createServiceAccount,
  deletePod,
} from '../kit/backends/kube-objects.ts';
import { boundToken } from '../kit/backends/kube-tokens.ts';
import { startKube, type Kube } from '../kit/backends/kube.ts';
import { until } from '../kit/backends/until.ts';
import {
  ACCOUNT,
  deleteAnchor,
  enrollingDocument,
  jobToken,
  NAMESPACE,
  prepareAccount,
} from '../kit/cluster/enrolling-cluster.ts';
import { AttackedInstallation } from '../kit/log/attacked-installation.ts';

const run = promisify(execFile);
const MINUTE = 60_000;

interface Answer {
  readonly status: number;
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into answers of several operations
  readonly body: any;
}

/** The tests are steps of one history: a cluster enrols, lives, renews, and ends. */
describeWith(['kube'], 'a cluster of a real API server', () => {
  let kube: Running<Kube>;
  let own: AttackedInstallation;
  let serving: Serving;
  let admin: string;
  let directory: string;
  let offsetMs = 0;
  let enrolling: { code: string; token: string };

  beforeAll(async () => {
    // Its objects are those of the documentation, which another suite could have too.
    kube = await startKube();
    await prepareAccount(kube);
    directory = await mkdtemp(join(tmpdir(), 'qm-enrol-'));
    own = await AttackedInstallation.make(() => ({
      connections: { fleet: { type: 'enrolled', hosts: ['127.0.0.0/8'] } },
    }));
    own.clock = {
      ...systemClock,
      now: () => systemClock.now() + offsetMs,
      monotonic: () => systemClock.monotonic() + offsetMs,
    };
    // The clock of the broker moves by hours.
    admin = await own.init(86_400);
    serving = await own.serve();
    await call('PUT', 'clusters/east', enrollingDocument(kube), { 'if-none-match': '*' });
  });

  afterAll(async () => {
    await serving.stop('test');
    await own.remove();
    await rm(directory, { recursive: true });
    await kube.stop();
  });

  async function call(
    method: string,
    path: string,
    body?: object,
    headers: Readonly<Record<string, string>> = { authorization: `Bearer ${admin}` },
  ): Promise<Answer> {
    const answer = await fetch(`${serving.url}/api/v1/${path}`, {
      method,
      headers: {
        authorization: `Bearer ${admin}`,
        ...(body && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body && { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    return { status: answer.status, body: text === '' ? undefined : JSON.parse(text) };
  }

  const newCode = async (): Promise<string> => {
    const { status, body } = await call('POST', 'clusters/east:enroll');
    expect(status).toBe(201);
    return body.code as string;
  };
  const send = (code: string, token: string): Promise<Answer> =>
    call('POST', 'clusters/east:join', { code, token });
  const listed = async (): Promise<{ readonly credentialEndsAt: string }> => {
    const { items } = (await call('GET', 'enrolments')).body as {
      readonly items: readonly [{ readonly credentialEndsAt: string }];
    };
    return items[0];
  };
  const stored = () => serving.broker.parts.store.get('enrolments', { cluster: 'east' });
  const watch = (): string | undefined => serving.broker.clusters.watches().get('east');
  const findings = async (): Promise<string> => {
    const { body } = await call('POST', 'clusters/east:check');
    return (body as { readonly findings: readonly string[] }).findings.join('\n');
  };

  async function logIn(): Promise<{ session: string; end: () => Promise<void> }> {
    const namespace = (await createNamespace(kube)).metadata.name;
    await createServiceAccount(kube, namespace, 'web');
    const pod = await createPod(kube, { namespace, serviceAccount: 'web' });
    const audience = 'https://broker.test';
    const token = await boundToken(kube, {
      namespace,
      serviceAccount: 'web',
      audience,
      pod,
      expirationSeconds: 4 * 3_600,
    });
    let session = '';
    await until('the workload logs in', async () => {
      const { status, body } = await call('POST', 'sessions', { cluster: 'east', token });
      session = body.token as string;
      return status === 201;
    });
    return { session, end: () => deletePod(kube, pod) };
  }

  it('is refused until it enrols, and a host outside the connection is not registered', async () => {
    expect(await findings()).toContain('has not enrolled');
    const other = { apiServer: { url: 'https://kubernetes.example.com' } };
    const path = 'clusters/other';
    const refused = await call('PUT', path, enrollingDocument(kube, other), {
      'if-none-match': '*',
    });
    expect(refused.status).toBe(400);
    expect(JSON.stringify(refused.body)).toContain('is not in \\"hosts\\" of the connection');
  });

  it('enrols with the command of the Job, and its workloads log in and end with their pods', async () => {
    enrolling = { code: await newCode(), token: await jobToken(kube) };
    const files = { code: join(directory, 'code'), token: join(directory, 'token') };
    await writeFile(files.code, `${enrolling.code}\n`);
    await writeFile(files.token, enrolling.token);
    const main = ['src/program/main.ts', 'cluster', 'join', 'east', '--url', serving.url];
    const args = [...main, '--code-file', files.code, '--pod-token-file', files.token];
    const { stdout } = await run(process.execPath, ['--disable-sigusr1', ...args]);
    expect(stdout).toContain('the cluster east has enrolled');
    await until('the watch is live', () => Promise.resolve(watch() === 'live'));
    expect(await findings()).toMatch(
      new RegExp(`knows the broker as system:serviceaccount:${NAMESPACE}:${ACCOUNT}`),
    );

    const { session, end } = await logIn();
    const self = { authorization: `Bearer ${session}` };
    expect((await call('GET', 'sessions/self', undefined, self)).status).toBe(200);
    await end();
    await until('the session ended with its pod', async () => {
      return (await call('GET', 'sessions/self', undefined, self)).status === 401;
    });
  });

  it('keeps no token that the Job sent, and nothing of the new one in the clear', async () => {
    const { credential } = serving.broker.parts.enrolled.find('east')!;
    const token = credential!.token.reveal();
    expect(token).not.toBe(enrolling.token);
    const text = Buffer.from((await stored())!.sealed!).toString('latin1');
    for (const secret of [token, enrolling.token, enrolling.code]) {
      expect(text).not.toContain(secret);
      expect(JSON.stringify(own.logged)).not.toContain(secret);
    }
  });

  it('answers the same request again without a change, also after a restart, and refuses the code with another token (T12)', async () => {
    const before = await stored();
    await serving.stop('test');
    serving = await own.serve();
    const repeated = await send(enrolling.code, enrolling.token);
    expect([repeated.status, repeated.body.cluster]).toEqual([200, 'east']);
    const other = await send(enrolling.code, await jobToken(kube));
    expect([other.status, other.body.code]).toEqual([401, 'ERR_TOKEN_INVALID']);
    expect(await stored()).toEqual(before);
    await until('the watch is live after the restart', () => Promise.resolve(watch() === 'live'));
  });

  it('has its credential renewed, without a word from the cluster', async () => {
    const before = serving.broker.parts.enrolled.find('east')!.credential!;
    offsetMs += 61 * MINUTE;
    const now = () => serving.broker.parts.enrolled.find('east')!.credential!;
    await until('the credential is renewed', () => Promise.resolve(now().renewAt > before.renewAt));
    expect(now().token.reveal()).not.toBe(before.token.reveal());
    await until('the watch is live', () => Promise.resolve(watch() === 'live'));
    await (await logIn()).end();
  });

  it('enrols with no code that has expired, is unknown or comes with a token of another account (T12)', async () => {
    const before = (await listed()).credentialEndsAt;
    const expired = await newCode();
    offsetMs += 16 * MINUTE;
    const unknown = expired.replace(/.{10}$/, '0123456789');
    const token = await jobToken(kube);
    const answers = [await send(expired, token), await send(unknown, token)];
    for (const { status, body } of answers)
      expect([status, body.code, body.detail]).toEqual([401, 'ERR_TOKEN_INVALID', undefined]);

    const code = await newCode();
    await createServiceAccount(kube, NAMESPACE, 'other');
    for (const wrong of ['not-a-token', await jobToken(kube, 'other')]) {
      const { status, body } = await send(code, wrong);
      expect([status, body.code]).toEqual([502, 'ERR_PROVIDER_DENIED']);
    }
    for (let attempts = 2; attempts < 5; attempts += 1)
      expect((await send(code, 'not-a-token')).status).toBe(502);
    expect((await send(code, token)).status).toBe(401);
    expect((await listed()).credentialEndsAt).toBe(before);
  });

  it('loses its credential with the Secret, and enrols again with a new code', async () => {
    await deleteAnchor(kube);
    await until('the API server refuses the broker', async () =>
      (await findings()).includes('not accepted'),
    );
    const code = await newCode();
    const withoutSecret = await send(code, await jobToken(kube));
    expect([withoutSecret.status, withoutSecret.body.code]).toEqual([502, 'ERR_PROVIDER_DENIED']);
    await createSecret(kube, NAMESPACE, {}, ACCOUNT);
    expect((await send(code, await jobToken(kube))).status).toBe(200);
    await until('the watch is live', () => Promise.resolve(watch() === 'live'));
    await (await logIn()).end();
  });

  it('is not served after its enrolment or its document has ended', async () => {
    expect((await call('DELETE', 'enrolments/east')).status).toBe(204);
    expect(watch()).toBeUndefined();
    expect(await findings()).toContain('has not enrolled');
    expect((await send(await newCode(), await jobToken(kube))).status).toBe(200);
    await until('it is served again', () => Promise.resolve(watch() !== undefined));
    expect((await call('DELETE', 'clusters/east', undefined, { 'if-match': '*' })).status).toBe(
      204,
    );
    await until('the row is gone', async () => (await stored()) === undefined);
    expect((await call('GET', 'enrolments')).body.items).toEqual([]);
  });
});
