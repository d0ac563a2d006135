import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { until } from '../backends/until.ts';
import { PreparedBroker } from '../broker/prepared-broker.ts';
import { isPast } from '../rotation/at-points.ts';
import { KILLED_TOGETHER } from './issue-kill-points.ts';

/** `ROUNDS` in the environment sets a higher number. */
const ROUNDS = Number(process.env['ROUNDS'] ?? 6);
/** An issue finishes within this time on an idle machine. */
const LATEST_MS = 60;
/** A credential that the broker forgets lives at most this long. */
export const LEASE_TTL = '3s';

/** A backend of dynamic credentials with the broker's configuration for it, and the list of live credentials. */
export interface CredentialFixture {
  readonly path: string;
  /** The service account that requests credentials; absent: any. */
  readonly serviceAccount?: string;
  readonly live: () => Promise<number>;
  readonly config: (directory: string) => Record<string, unknown>;
  readonly files: Readonly<Record<string, string>>;
  readonly documents: Readonly<Record<string, object>>;
  readonly close?: () => Promise<void>;
}

/** Tests that no credential outlives its lease, at whatever point its broker dies. */
export function leavesNothingAfterKill(
  title: string,
  make: () => Promise<CredentialFixture>,
): void {
  describe(`F18: a broker killed while it issues a credential at ${title} (I2)`, () => {
    let target: CredentialFixture;
    let broker: PreparedBroker;

    beforeAll(async () => {
      target = await make();
      broker = await PreparedBroker.start({
        files: target.files,
        config: (directory) => ({ connections: { target: target.config(directory) } }),
        documents: target.documents,
        failpoints: true,
      });
    });
    afterAll(async () => {
      await broker.remove();
      await target.close?.();
    });

    async function logIn(): Promise<string> {
      const { serviceAccount } = target;
      return broker.logIn(serviceAccount === undefined ? {} : { serviceAccount });
    }

    async function untilNothingIsLeft(): Promise<void> {
      await until('every order is settled', async () => {
        const states = ['intended', 'prepared', 'issued', 'revoking', 'irrevocable', 'expiring'];
        const names = states.map((state) => `quaymaster_credentials{state="${state}"}`);
        return (await broker.metrics(names)).every((count) => count === 0);
      });
      await until('nothing lives at the backend', async () => (await target.live()) === 0);
    }

    for (const points of KILLED_TOGETHER) {
      describe('with an order at each point', () => {
        let orders: readonly PromiseSettledResult<unknown>[];
        let exitCode: number | null;
        beforeAll(async () => {
          const begun: Promise<unknown>[] = [];
          for (const point of points) {
            const session = await logIn();
            const isLast = point === points.at(-1);
            await broker.arm(point, isLast ? 'kill' : 'wait');
            begun.push(broker.order(session, target.path, point));
            if (!isLast) await until('it waits there', () => isPast(broker, point));
          }
          orders = await Promise.allSettled(begun);
          exitCode = await broker.installation.ended();
          await broker.startWithFailpoints();
        });

        it.each(points.map((point, index) => [point, index] as const))(
          'leaves nothing at the backend: %s (F18)',
          async (_point, index) => {
            expect(orders[index]?.status).toBe('rejected');
            expect(exitCode).toBeNull();
            await untilNothingIsLeft();
          },
        );
      });
    }

    it('leaves nothing at the backend, whenever it is killed (F18)', async () => {
      for (let round = 0; round < ROUNDS; round += 1) {
        await broker.installation.stop('SIGKILL');
        await broker.installation.start();
        const session = await logIn();
        const ordered = broker.order(session, target.path, `at-${round}`).catch(() => undefined);
        // The fault is a random moment, so no condition can be awaited.
        await pause(Math.random() * LATEST_MS);
        await broker.installation.stop('SIGKILL');
        await ordered;
      }
      await broker.installation.start();
      await untilNothingIsLeft();
    });

    it('issues credentials again, and keeps a valid log', async () => {
      const session = await logIn();
      const { status } = await broker.order(session, target.path, 'after-all');
      expect(status).toBe(201);
      expect(await target.live()).toBeGreaterThan(0);
      const body = { by: 'workload', workload: `k8s://c1/prod/${target.serviceAccount ?? 'api'}` };
      await broker.installation.call('POST', '/api/v1/leases:revoke', {
        token: broker.operator,
        body,
      });
      await until('it is revoked', async () => (await target.live()) === 0);
      expect(await broker.verifiedLog()).toContain('verified: ');
    });
  });
}
