import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { until } from '../backends/until.ts';
import type { Answer } from '../broker/installation.ts';
import { PreparedBroker } from '../broker/prepared-broker.ts';
import { isPast } from '../rotation/at-points.ts';
import { KILLING_POINTS, WAITING_POINTS } from './issue-kill-points.ts';

/** `ROUNDS` in the environment sets a higher number. */
const ROUNDS = Number(process.env['ROUNDS'] ?? 6);
/** An issue at one backend finishes within this time on an idle machine. */
const LATEST_MS = 60;
/** A credential that the broker forgets lives at most this long. */
export const LEASE_TTL = '3s';
const UNSETTLED = ['intended', 'prepared', 'issued', 'revoking', 'irrevocable', 'expiring'].map(
  (state) => `quaymaster_credentials{state="${state}"}`,
);

/** A backend of dynamic credentials with the broker's configuration for it, and the list of live credentials. */
export interface CredentialFixture {
  readonly path: string;
  /** The service account that requests credentials; absent: any. */
  readonly serviceAccount?: string;
  readonly live: () => Promise<number>;
  /** Connections for the configuration file; `directory` is the broker's own. */
  readonly connections: (directory: string) => Readonly<Record<string, object>>;
  readonly files: Readonly<Record<string, string>>;
  readonly documents: Readonly<Record<string, object>>;
  readonly close?: () => Promise<void>;
}

/** The functions that open the fixture of each backend, by the backend's title. */
type Opened = Readonly<Record<string, () => Promise<CredentialFixture>>>;

interface Order {
  readonly title: string;
  readonly point: string;
}

/** One broker that issues credentials at all backends: a start takes more processor time than all else of a case. */
class IssuingBroker {
  readonly prepared: PreparedBroker;
  readonly targets: ReadonlyMap<string, CredentialFixture>;

  private constructor(prepared: PreparedBroker, targets: ReadonlyMap<string, CredentialFixture>) {
    this.prepared = prepared;
    this.targets = targets;
  }

  static async start(open: Opened): Promise<IssuingBroker> {
    const targets = new Map<string, CredentialFixture>();
    for (const [title, openOne] of Object.entries(open)) targets.set(title, await openOne());
    const all = [...targets.values()];
    const prepared = await PreparedBroker.start({
      files: mergedOf(all.map(({ files }) => files)),
      config: (directory) => ({
        connections: mergedOf(all.map(({ connections }) => connections(directory))),
      }),
      documents: mergedOf(all.map(({ documents }) => documents)),
      failpoints: true,
    });
    return new IssuingBroker(prepared, targets);
  }

  at(title: string): CredentialFixture {
    return this.targets.get(title)!;
  }

  logIn(title: string): Promise<string> {
    const { serviceAccount } = this.at(title);
    return this.prepared.logIn(serviceAccount === undefined ? {} : { serviceAccount });
  }

  order(title: string, session: string, key: string): Promise<Answer> {
    return this.prepared.order(session, this.at(title).path, key);
  }

  async untilNothingIsLeft(title: string): Promise<void> {
    await until('every order is settled', async () => {
      return (await this.prepared.metrics(UNSETTLED)).every((count) => count === 0);
    });
    await until('nothing lives at the backend', async () => (await this.at(title).live()) === 0);
  }

  /** Revokes the leases of all workloads. */
  async revokeAll(): Promise<void> {
    const { installation, operator: token } = this.prepared;
    for (const { serviceAccount = 'api', live } of this.targets.values()) {
      const body = { by: 'workload', workload: `k8s://c1/prod/${serviceAccount}` };
      await installation.call('POST', '/api/v1/leases:revoke', { token, body });
      await until('it is revoked', async () => (await live()) === 0);
    }
  }

  async remove(): Promise<void> {
    await this.prepared.remove();
    for (const { close } of this.targets.values()) await close?.();
  }
}

/** Tests that no credential outlives its lease, at whatever point its broker dies. */
export function leavesNothingAfterKill(open: Opened): void {
  let broker: IssuingBroker;
  beforeAll(async () => {
    broker = await IssuingBroker.start(open);
  });
  afterAll(() => broker.remove());

  const titles = Object.keys(open);
  const ordersAt = (points: readonly string[]): readonly Order[] =>
    titles.flatMap((title) => points.map((point) => ({ title, point })));
  const killing = ordersAt(KILLING_POINTS);
  for (const [index, waiting] of ordersAt(WAITING_POINTS).entries())
    killedTogether(() => broker, [waiting, killing[index]!]);
  killedAtAnyMoment(() => broker, titles);
  issuesAgain(() => broker, titles);
}

function killedTogether(of: () => IssuingBroker, group: readonly Order[]): void {
  describe('with an order at each point', () => {
    let orders: readonly PromiseSettledResult<unknown>[];
    let exitCode: number | null;
    beforeAll(async () => {
      const broker = of();
      const { prepared } = broker;
      const begun: Promise<unknown>[] = [];
      for (const { title, point } of group) {
        const session = await broker.logIn(title);
        const isLast = begun.length === group.length - 1;
        await prepared.arm(point, isLast ? 'kill' : 'wait');
        begun.push(broker.order(title, session, point));
        if (!isLast) await until('it waits there', () => isPast(prepared, point));
      }
      orders = await Promise.allSettled(begun);
      exitCode = await prepared.installation.ended();
      await prepared.startWithFailpoints();
    });

    it.each(group.map((order, index) => [order.title, order.point, index] as const))(
      'leaves nothing at the backend: %s, %s (F18)',
      async (title, _point, index) => {
        expect(orders[index]?.status).toBe('rejected');
        expect(exitCode).toBeNull();
        await of().untilNothingIsLeft(title);
      },
    );
  });
}

function killedAtAnyMoment(of: () => IssuingBroker, titles: readonly string[]): void {
  describe('at any moment', () => {
    beforeAll(async () => {
      const broker = of();
      const { installation } = broker.prepared;
      for (let round = 0; round < ROUNDS; round += 1) {
        await installation.stop('SIGKILL');
        await installation.start();
        const sessions = await Promise.all(titles.map((title) => broker.logIn(title)));
        const ordered = titles.map((title, index) =>
          broker.order(title, sessions[index]!, `at-${round}`).catch(() => undefined),
        );
        // The fault is a random moment, so no condition can be awaited.
        await pause(Math.random() * LATEST_MS * titles.length);
        await installation.stop('SIGKILL');
        await Promise.all(ordered);
      }
      await installation.start();
    });

    it.each(titles)('leaves nothing at the backend, whenever it is killed: %s (F18)', (title) =>
      of().untilNothingIsLeft(title),
    );
  });
}

function issuesAgain(of: () => IssuingBroker, titles: readonly string[]): void {
  describe('after the kills', () => {
    const issued = new Map<string, { readonly status: number; readonly live: number }>();
    let report: string;
    beforeAll(async () => {
      const broker = of();
      for (const title of titles) {
        const { status } = await broker.order(title, await broker.logIn(title), 'after-all');
        issued.set(title, { status, live: await broker.at(title).live() });
      }
      await broker.revokeAll();
      report = await broker.prepared.verifiedLog();
    });

    it.each(titles)('issues credentials again, and keeps a valid log: %s', (title) => {
      expect(issued.get(title)?.status).toBe(201);
      expect(issued.get(title)?.live).toBeGreaterThan(0);
      expect(report).toContain('verified: ');
    });
  });
}

function mergedOf<T>(all: readonly Readonly<Record<string, T>>[]): Readonly<Record<string, T>> {
  return Object.assign({}, ...all) as Readonly<Record<string, T>>;
}
