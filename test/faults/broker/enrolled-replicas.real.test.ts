import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { Serving } from '../../../src/program/serving/serve.ts';
import { describeWith } from '../../kit/backends/backends.ts';
import type { Running } from '../../kit/backends/footprint.ts';
import { startKube, type Kube } from '../../kit/backends/kube.ts';
import { until } from '../../kit/backends/until.ts';
import { startTwoBrokers } from '../../kit/broker/two-brokers.ts';
import {
  enrollingDocument,
  jobToken,
  prepareAccount,
} from '../../kit/cluster/enrolling-cluster.ts';

describeWith(['kube', 'postgres'], 'a cluster that enrols at one of two brokers', (backends) => {
  let kube: Running<Kube>;
  let brokers: readonly [Serving, Serving];
  let admin: string;
  let remove: () => Promise<void>;

  beforeAll(async () => {
    kube = await startKube();
    await prepareAccount(kube);
    const started = await startTwoBrokers(backends.postgres, () => ({
      connections: { fleet: { type: 'enrolled', hosts: ['127.0.0.0/8'] } },
    }));
    ({ brokers, token: admin, remove } = started);
  });

  afterAll(async () => {
    await remove();
    await kube.stop();
  });

  async function call(at: 0 | 1, method: string, path: string, body?: object) {
    const answer = await fetch(`${brokers[at].url}/api/v1/${path}`, {
      method,
      headers: {
        authorization: `Bearer ${admin}`,
        ...(body && { 'content-type': 'application/json' }),
        ...(method === 'PUT' && { 'if-none-match': '*' }),
      },
      ...(body && { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    return { status: answer.status, body: text === '' ? {} : JSON.parse(text) };
  }

  it('is watched by both, with the credential that one of them got, and its code is used once', async () => {
    expect((await call(0, 'PUT', 'clusters/east', enrollingDocument(kube))).status).toBe(201);
    const { code } = (await call(0, 'POST', 'clusters/east:enroll')).body;
    const tokens = [await jobToken(kube), await jobToken(kube)];
    const answers = await Promise.all(
      tokens.map((token, at) => call(at as 0 | 1, 'POST', 'clusters/east:join', { code, token })),
    );
    // The one that is not first finds the code used, or another attempt in progress.
    const statuses = answers.map(({ status }) => status).sort();
    expect(statuses[0]).toBe(200);
    expect([401, 503]).toContain(statuses[1]);
    const winner = tokens[answers.findIndex(({ status }) => status === 200)]!;
    for (const at of [0, 1] as const)
      expect((await call(at, 'POST', 'clusters/east:join', { code, token: winner })).status).toBe(
        200,
      );
    for (const { broker } of brokers)
      await until('the watch is live', () =>
        Promise.resolve(broker.clusters.watches().get('east') === 'live'),
      );
    const held = brokers.map(({ broker }) =>
      broker.parts.enrolled.find('east')?.credential?.token.reveal(),
    );
    expect(held[0]).toBeDefined();
    expect(held[1]).toBe(held[0]);
  });

  it('is served by neither after one of them has ended its enrolment', async () => {
    expect((await call(1, 'DELETE', 'enrolments/east')).status).toBe(204);
    for (const { broker } of brokers)
      await until('it is not served', () =>
        Promise.resolve(!broker.clusters.watches().has('east')),
      );
  });
});
