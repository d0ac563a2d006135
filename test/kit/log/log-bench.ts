import { storeClaims } from '../../../src/store/claims.ts';
import type { OpenClaims } from '../../../src/ports/claims.ts';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as loopTurn } from 'node:timers/promises';
import { systemClock } from '../../../src/process/clock.ts';
import { sha256Hex } from '../../../src/crypto/hashes/digest.ts';
import { generateSigningKey, type SigningKey } from '../../../src/crypto/signatures/signing.ts';
import type { AuditEvent } from '../../../src/domain/audit/audit-event.ts';
import { encodeActor, encodeEvent } from '../../../src/domain/audit/audit-event.ts';
import type { Clock } from '../../../src/ports/clock.ts';
import type { Store, Write } from '../../../src/ports/store.ts';
import { type Boot } from '../../../src/audit/chain/boot.ts';
import { createBoot } from './created-boot.ts';
import { surveyLog } from '../../../src/audit/chain/boot-survey.ts';
import type { HeadReference, OriginReference } from '../../../src/domain/audit/audit-actions.ts';
import { createChain } from '../../../src/audit/chain/chain.ts';
import { Compactor } from '../../../src/audit/upkeep/compactor.ts';
import { checkpointFile } from '../../../src/audit/log/checkpoint-file.ts';
import type { CheckpointStorage } from '../../../src/ports/checkpoint-storage.ts';
import {
  Integrator,
  type IntegratorOptions,
  type IntegratorStatus,
} from '../../../src/audit/log/integrator.ts';
import { logIdentity, type LogIdentity } from '../../../src/audit/records/log-identity.ts';
import { nextIdentity } from '../../../src/audit/log/log-origin.ts';
import { LogReader } from '../../../src/audit/log/log-reader.ts';
import { LocalBatches } from '../../../src/audit/records/local-batches.ts';
import { openSqliteStore } from '../../../src/store/sqlite/open-sqlite-store.ts';
import { writeNewStore } from '../store/new-store.ts';

/** The fields of an event that a test sets; the others have defaults. */
export type EventFields = Partial<AuditEvent> & Readonly<Record<string, unknown>>;

export const SYSTEM = encodeActor({ kind: 'system', name: 'broker' }, sha256Hex);

export function workloadActor(name: string, pod = `${name}-pod`) {
  const workload = {
    cluster: 'c1',
    namespace: `ns-${name}`,
    serviceAccount: name,
    serviceAccountUid: `uid-${name}`,
    pod: { name: pod, uid: `uid-${pod}` },
  };
  return encodeActor({ kind: 'workload', workload, session: `ses_${name}` }, sha256Hex);
}

/** The body of an entry. */
export function body(fields: EventFields): string {
  const event = {
    time: Date.UTC(2026, 0, 1),
    requestId: 'req_1',
    actor: SYSTEM,
    action: 'secret.read',
    outcome: 'ok',
    path: 'payments/db',
    ...fields,
  } as AuditEvent;
  return encodeEvent(event, sha256Hex);
}

function recoveryBody({ writer, seq }: HeadReference): string {
  return body({
    action: 'recovery',
    path: undefined,
    cause: 'unclean_stop',
    comment: writer,
    count: seq,
  });
}

export function startBody(boot: Boot, fields: EventFields = {}): string {
  const { publicKey: key, endorsement } = boot;
  return body({
    action: 'broker.start',
    path: undefined,
    boot: { release: 'test', key, endorsement, treeSize: 0, treeRoot: '', heads: [] },
    ...fields,
  } as EventFields);
}

function storeOf(directory: string): string {
  return join(directory, 'store', 'log.sqlite');
}

/** A log on a SQLite store in its own directory, with one boot that has announced itself. */
export class LogBench {
  readonly directory: string;
  log: LogIdentity;
  readonly clock: Clock;
  readonly checkpointFile: CheckpointStorage;
  store!: Store;
  boot!: Boot;
  integrator!: Integrator;
  own!: LocalBatches;

  constructor(directory: string, clock: Clock, logKey: SigningKey) {
    this.directory = directory;
    this.clock = clock;
    this.log = logIdentity('log.example/test', logKey);
    this.checkpointFile = checkpointFile(join(directory, 'checkpoint'));
  }

  static async open(clock: Clock): Promise<LogBench> {
    const directory = await mkdtemp(join(tmpdir(), 'audit-'));
    await writeNewStore(storeOf(directory));
    return LogBench.openAt(directory, clock, generateSigningKey());
  }

  /** Opens the log in a directory that may contain the log of an earlier process. */
  static async openAt(directory: string, clock: Clock, logKey: SigningKey): Promise<LogBench> {
    const bench = new LogBench(directory, clock, logKey);
    await bench.restart();
    return bench;
  }

  get reader(): LogReader {
    return new LogReader(this.store, this.log);
  }

  /** A new boot on the store, as after a crash: the old boot gets no notice. */
  async restart(): Promise<void> {
    this.boot = createBoot(this.log.signer.key, this.clock.now());
    this.own = new LocalBatches();
    this.store = await openSqliteStore(
      { path: storeOf(this.directory), ballastBytes: 4096, syncsInPool: false },
      { chain: createChain(this.boot, this.own), clock: this.clock, mode: 'development' },
    );
    this.integrator = this.newIntegrator();
    const { boot, unfinished } = await surveyLog(this.store, this.log, this.boot, 'test');
    const entries = [body({ action: 'broker.start', path: undefined, boot })];
    if (unfinished !== undefined) entries.push(recoveryBody(unfinished));
    await this.store.commit({ entries });
  }

  /** Unlocks a held log, as `quaymaster release` does. */
  async release(integrator = this.integrator): Promise<IntegratorStatus> {
    const next = nextIdentity(this.log, this.clock.now());
    const status = await integrator.release(next, (writes, link) =>
      this.recordRelease(writes, link),
    );
    this.log = next;
    return status;
  }

  async recordRelease(writes: readonly Write[], log: OriginReference): Promise<void> {
    const fields = { action: 'broker.release', path: undefined, log } as EventFields;
    await this.store.commit({ writes, entries: [body(fields)] });
  }

  newIntegrator(owner = this.boot.writer, alone = true): Integrator {
    const claims = storeClaims(this.store, this.clock, { owner, alone });
    return new Integrator({ ...this.integratorOptions(), claims, alone });
  }

  /** Claims of the last boot. */
  claims(alone = true): OpenClaims {
    return storeClaims(this.store, this.clock, { owner: this.boot.writer, alone });
  }

  integratorOptions(): IntegratorOptions {
    return {
      store: this.store,
      clock: this.clock,
      log: this.log,
      outside: this.checkpointFile,
      localBatches: this.own,
      claims: this.claims(),
      alone: true,
      onError: (error) => this.errors.push(error),
    };
  }

  /** Moves all batches that may be compacted into segments. */
  async compact({ alone = true } = {}): Promise<void> {
    const compactor = new Compactor({
      store: this.store,
      reader: this.reader,
      clock: { ...systemClock, sleep: () => loopTurn() },
      claims: this.claims(alone),
      isBusy: () => false,
      processorMs: () => 0,
      onProgress: () => undefined,
      onError: (error) => this.errors.push(error),
    });
    await compactor.run();
    await compactor.close();
    if (this.errors.length > 0) throw this.errors[0];
  }

  readonly errors: unknown[] = [];

  /** Commits each event as a separate plan; the plans of one call share a batch. */
  async record(...events: readonly EventFields[]): Promise<void> {
    await Promise.all(events.map((fields) => this.store.commit({ entries: [body(fields)] })));
  }

  async integrate(): Promise<void> {
    if (this.integrator.status().state === 'stopped') await this.integrator.start();
    await this.integrator.integrate();
    if (this.errors.length > 0) throw this.errors[0];
  }

  async stop(): Promise<void> {
    await this.integrator.close();
    await this.store.close();
  }

  async remove(): Promise<void> {
    await this.stop();
    await rm(this.directory, { recursive: true });
  }
}
