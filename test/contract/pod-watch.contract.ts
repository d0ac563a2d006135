import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { createPodWatch } from '../../src/auth/index.ts';
import { parseSpec } from '../../src/broker/model/schema.ts';
import { systemClock } from '../../src/process/clock.ts';
import { processFingerprint } from '../../src/crypto/hashes/process-fingerprint.ts';
import { NOTHING_SIGNED } from '../kit/images/unsigned-images.ts';
import { evaluate } from '../../src/domain/posture/evaluate.ts';
import { PodNode } from '../../src/domain/posture/pod-node.ts';
import { compileProfile } from '../../src/domain/posture/profile.ts';
import type { PodEnd, PodState, PodWatch } from '../../src/ports/pod-watch.ts';
import { until } from '../kit/backends/until.ts';
import type { KubeCluster, PodRef } from '../kit/cluster/kube-cluster.ts';
import { warningsLog } from '../kit/fakes/warnings-log.ts';

const STRICT = compileProfile(
  'strict',
  1,
  parseSpec('posture-profile', {
    mode: 'enforce',
    pod: {
      securityStandard: { level: 'baseline', version: 'latest' },
      ephemeralContainers: 'deny',
      secretsInEnvironment: 'deny',
    },
    image: { digest: 'pinned' },
  }),
);
const context = { requestId: 'req_1', signal: new AbortController().signal };

/** The contract of the watch, for a real cluster and its fake. */
export function podWatchContract(name: string, open: () => Promise<KubeCluster>): void {
  describe(`the pod watch of ${name}`, () => {
    let cluster: KubeCluster;
    let namespace = '';
    let watch: PodWatch;
    const ends: PodEnd[] = [];
    const statuses: string[] = [];
    beforeAll(async () => {
      cluster = await open();
      namespace = await cluster.createNamespace();
      await cluster.createAccount(namespace, 'api');
    });
    afterEach(async () => {
      await watch.close();
      ends.length = 0;
      statuses.length = 0;
    });
    afterAll(() => cluster.close());

    async function start(): Promise<void> {
      const events = {
        onEnd: (end: PodEnd): void => void ends.push(end),
        onChange: (): void => undefined,
        onMassLoss: (): void => void statuses.push('mass loss'),
        onStatus: (status: string): void => void statuses.push(status),
      };
      const log = warningsLog();
      const dependencies = { api: cluster.api, clock: systemClock, random: Math.random, log };
      watch = createPodWatch('east', events, dependencies);
      await eventually('it is live', () => watch.status() === 'live');
    }
    const eventually = (what: string, condition: () => boolean): Promise<void> =>
      until(what, () => Promise.resolve(condition()));
    const create = (pod: string, labels = {}): Promise<PodRef> =>
      cluster.createPod({ namespace, name: pod, serviceAccount: 'api', labels });
    const manifestOf = ({ uid }: PodRef): unknown => watch.find(uid)?.manifest?.read();
    const stateOf = ({ uid }: PodRef): PodState | undefined => watch.find(uid)?.state;
    const endOf = ({ uid }: PodRef): PodEnd | undefined => ends.find((end) => end.uid === uid);
    const untilState = (pod: PodRef, state: PodState): Promise<void> =>
      eventually(`${pod.name} is ${state}`, () => stateOf(pod) === state);
    const untilEnd = (pod: PodRef): Promise<void> =>
      eventually(`${pod.name} ended`, () => endOf(pod) !== undefined);

    it('reports existing and new pods, with their labels', async () => {
      const before = await create('before', { app: 'one' });
      await start();
      expect(statuses).toEqual(['starting', 'live']);
      expect(watch.find(before.uid)).toMatchObject({ state: 'running' });
      expect(watch.find(before.uid)?.labels.get('app')).toBe('one');
      const after = await create('after', { app: 'two' });
      await untilState(after, 'running');
      expect(watch.find(after.uid)?.labels.get('app')).toBe('two');
      await cluster.setPhase(after, 'Running');
      expect((await watch.confirm(after, context)).state).toBe('running');
    });

    it('keeps what a check needs of a pod, and no values of its environment', async () => {
      await start();
      const container = {
        name: 'main',
        image: 'registry.test/app:1',
        command: ['run', '--password=canary-argument'],
        env: [
          { name: 'PLAIN', value: 'canary-value' },
          { name: 'LONG', value: 'canary-value-of-a-secret' },
          { name: 'FROM', valueFrom: { secretKeyRef: { name: 'db', key: 'password' } } },
        ],
      };
      const pod = await cluster.createPod({
        namespace,
        name: 'checked',
        serviceAccount: 'api',
        spec: { hostNetwork: true, containers: [container] },
      });
      await untilState(pod, 'running');
      expect(watch.uidOf(namespace, 'checked')).toBe(pod.uid);
      const codes = (): readonly string[] =>
        evaluate(
          STRICT,
          {
            cluster: 'c1',
            name: 'checked',
            pod: new PodNode(manifestOf(pod), ''),
            trust: NOTHING_SIGNED,
            evidenceOf: () => [],
          },
          0,
        )
          .findings.map(({ code }) => code)
          .sort();
      expect(codes()).toEqual(['image_not_pinned', 'pod_security', 'secret_in_environment']);
      expect(JSON.stringify(manifestOf(pod))).not.toContain('canary');
      const valueFingerprint = processFingerprint('canary-value-of-a-secret');
      expect(manifestOf(pod)).toMatchObject({
        spec: { containers: [{ env: [{ name: 'PLAIN' }, { valueFingerprint }, {}] }] },
      });
      const { manifest } = await watch.confirm(pod, context);
      expect(manifest?.read()).toEqual(manifestOf(pod));
      await cluster.debug(pod, { name: 'debug', image: 'registry.test/tools:1' });
      await eventually('it sees the ephemeral container', () =>
        codes().includes('ephemeral_container'),
      );
    });

    it('reports a deleted pod', async () => {
      await start();
      const pod = await create('deleted');
      await untilState(pod, 'running');
      await cluster.remove(pod);
      await untilEnd(pod);
      expect(endOf(pod)).toMatchObject({ cluster: 'east', ...pick(pod) });
      // The API server sets a deletionTimestamp of now before it deletes, so a watch may report that first.
      expect(['deleted', 'deletion_passed']).toContain(endOf(pod)?.reason);
      expect((await watch.confirm(pod, context)).state).toBe('ended');
    });

    it.each([
      ['Succeeded', 'succeeded'],
      ['Failed', 'failed'],
    ])('reports a pod that %s', async (phase, reason) => {
      await start();
      const pod = await create(`over-${reason}`);
      await untilState(pod, 'running');
      await cluster.setPhase(pod, phase);
      await untilEnd(pod);
      expect(endOf(pod)).toMatchObject({ reason });
      expect(stateOf(pod)).toBe('ended');
      expect((await watch.confirm(pod, context)).state).toBe('ended');
    });

    it('reports a terminating pod, and ends it when its grace period is over', async () => {
      await start();
      const pod = await create('terminating');
      await untilState(pod, 'running');
      await cluster.terminate(pod, 2);
      await untilState(pod, 'terminating');
      expect((await watch.confirm(pod, context)).state).toBe('terminating');
      await untilEnd(pod);
      expect(endOf(pod)).toMatchObject({ reason: 'deletion_passed' });
      await cluster.remove(pod);
    });

    it('distinguishes a pod from the next one with its name', async () => {
      await start();
      const first = await create('stateful-0');
      await untilState(first, 'running');
      await cluster.remove(first);
      const second = await create('stateful-0');
      await untilEnd(first);
      await untilState(second, 'running');
      expect(endOf(second)).toBeUndefined();
      expect((await watch.confirm(first, context)).state).toBe('ended');
    });

    it('continues after the API server was restarted', async () => {
      await start();
      const pod = await create('survivor');
      await untilState(pod, 'running');
      await cluster.restart();
      await cluster.remove(pod);
      await untilEnd(pod);
      const next = await create('newcomer');
      await untilState(next, 'running');
      expect(watch.status()).toBe('live');
      expect(statuses).not.toContain('mass loss');
    });
  });
}

function pick({ uid, namespace, name }: PodRef): PodRef {
  return { uid, namespace, name };
}
