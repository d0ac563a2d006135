import { BrokerError } from '../../domain/errors.ts';
import type { Expectation, Plan } from '../../ports/store.ts';
import { ROOT_KEYS } from '../../ports/queries.ts';
import type { Keys, Recording } from '../state/dependencies.ts';
import { SystemActor } from '../recording/record.ts';
import { Worker } from '../kernel/worker.ts';
import { RewrapPass, type RewrapParts } from './rewrap-pass.ts';
import { readRewrapReport, reportWrite } from './rewrap-report.ts';
import {
  activeRow,
  changeRootKeys,
  pendingRow,
  readRootKeys,
  retiredRows,
  type RootKeyRow,
  type RootKeyRows,
} from './root-key-rows.ts';
import { MOST_ENCRYPTIONS, planRotation, type RootKeyAccess } from './rotate-keys.ts';
import { EncryptionLedger } from './encryption-ledger.ts';

const EVERY_MS = 1_000;
const PROVE_MS = 60_000;

export type KeyWorkerParts = Recording & Keys & RootKeyAccess & RewrapParts;

export interface KeyWorkerOptions {
  /** Time that other brokers may need to read a new root key, before rows under it may appear. 0 if there is only one broker. */
  readonly spreadMs: number;
  readonly mostEncryptions?: number;
  /** Time without a working key-encryption key after which the process seals itself. */
  readonly kekOutageMs: number;
}

/** Counts encryptions, and takes a rotation of the root key from each state to the next. Every step reads its state from the store. */
export class KeyWorker {
  readonly ledger: EncryptionLedger;
  readonly #parts: KeyWorkerParts;
  readonly #options: Required<KeyWorkerOptions>;
  readonly #system: SystemActor;
  readonly #worker: Worker;
  /** Time of the last test of the key-encryption keys, in monotonic milliseconds. */
  #provenAt: number | undefined;
  /** Time at which this process first saw each root key in its state, in monotonic milliseconds. */
  readonly #seen = new Map<string, number>();

  constructor(parts: KeyWorkerParts, options: KeyWorkerOptions) {
    this.#parts = parts;
    this.#options = { mostEncryptions: MOST_ENCRYPTIONS, ...options };
    this.ledger = new EncryptionLedger(parts);
    this.#system = new SystemActor(parts, 'keys');
    this.#worker = new Worker('keys', EVERY_MS, parts, (signal) => this.round(signal));
  }

  start(): void {
    this.#worker.start();
  }

  stop(): Promise<void> {
    return this.#worker.stop();
  }

  async round(signal: AbortSignal): Promise<void> {
    const { keyring, store } = this.#parts;
    if (keyring.isSealed || store.fault() !== undefined) return;
    const rows = await this.ledger.fill();
    await this.#wrapUnderNew(rows);
    await this.#proveKeks(rows);
    const isDue = pendingRow(rows) !== undefined || retiredRows(rows).length > 0;
    const isWorn = (activeRow(rows).seals ?? 0) >= this.#options.mostEncryptions;
    if (!isDue && !isWorn) return;
    const held = await this.#parts.claim.take();
    if (held === undefined) return;
    if (pendingRow(rows) !== undefined) await this.#activate(rows, held);
    else if (isWorn) await this.#begin(rows, held);
    else await this.#retire(rows, signal);
  }

  /** Wraps every root key under keys that are new in the configuration. Each wrapping was opened again before it is stored. */
  async #wrapUnderNew({ keys, wraps }: RootKeyRows): Promise<void> {
    const { wrappers, keyring, installation, store } = this.#parts;
    for (const kekId of wrappers.ids()) {
      const has = (id: string): boolean =>
        wraps.some(({ root_key_id, kek_id }) => root_key_id === id && kek_id === kekId);
      const without = keys.flatMap(({ id }) => (has(id) ? [] : (keyring.findWrapped(id) ?? [])));
      if (without.length === 0 || wrappers.problems().has(kekId)) continue;
      try {
        const made = await Promise.all(
          without.map((key) => wrappers.wrap(key, kekId, installation)),
        );
        await store.commit({
          // A root key that was destroyed meanwhile gets no wrapping.
          expect: without.map(({ id }) => ({ table: 'root_keys', key: { id }, match: { id } })),
          writes: made.map((put) => ({ table: 'root_key_wraps', put })),
          entries: [this.#entry('key.wrap', { id: kekId, kind: 'kek', count: made.length })],
        });
      } catch (error) {
        this.#parts.log.error(
          { err: error, kek: kekId },
          'a key-encryption key cannot wrap the root keys; retrying',
        );
      }
    }
  }

  /** A key that fails is noticed before a start needs it. */
  async #proveKeks({ keys, wraps }: RootKeyRows): Promise<void> {
    const { wrappers, clock, installation, log } = this.#parts;
    const now = clock.monotonic();
    if (this.#provenAt !== undefined && now - this.#provenAt < PROVE_MS) return;
    this.#provenAt = now;
    await wrappers.openMissing();
    const active = activeRow({ keys });
    const configured = wrappers.ids();
    for (const wrap of wraps) {
      if (wrap.root_key_id !== active.id || !configured.includes(wrap.kek_id)) continue;
      await wrappers.prove(active, wrap, installation).catch((error: unknown) => {
        log.error(
          { err: error, kek: wrap.kek_id },
          'a key-encryption key does not open the root key: the broker keeps running, but the next start needs this key or the second one',
        );
      });
    }
    await this.#sealAfterOutage();
  }

  /** An owner who withdrew the key wants the values to become unreadable: root keys in memory must not outlive that without a limit. */
  async #sealAfterOutage(): Promise<void> {
    const { wrappers, store, state, log } = this.#parts;
    if (wrappers.sinceOpened() < this.#options.kekOutageMs) return;
    const entry = { action: 'broker.seal', outcome: 'ok', cause: 'kek_unreachable' } as const;
    await store.commit({ entries: [this.#system.entry(entry)] });
    log.error(
      { seconds: Math.floor(wrappers.sinceOpened() / 1000) },
      'no key-encryption key opened the root key within kekOutageSeconds: sealed; repair the key and restart',
    );
    state.seal();
  }

  async #begin(rows: RootKeyRows, held: Expectation): Promise<void> {
    const { plan, id } = await planRotation(this.#parts, rows, false);
    const cause = 'seal_limit';
    await this.#commit(plan, held, [this.#entry('key.rotate', { id, cause })]);
  }

  /** Makes the pending key active: it encrypts from now on. */
  async #activate(rows: RootKeyRows, held: Expectation): Promise<void> {
    const pending = pendingRow(rows);
    const { keyring, installation } = this.#parts;
    const key = pending && keyring.find(pending.id);
    if (pending === undefined || key === undefined) return;
    if (this.#ageOf(pending) < this.#options.spreadMs) return;
    const isReplacing = pending.state === 'replacing';
    const keys = rows.keys.map((row): RootKeyRow => {
      if (row === pending) return { ...row, state: 'active' };
      if (row.state === 'log') return row;
      return {
        ...row,
        state: isReplacing || row.state === 'compromised' ? 'compromised' : 'retired',
      };
    });
    const lookup = keyring.lookup.encrypt(key, installation).toString('hex');
    const plan = {
      ...changeRootKeys(rows, { keys, lookup }, key),
      invalidates: [`root-keys:active/${pending.id}`],
    };
    const cause = isReplacing ? 'compromised' : 'rotated';
    await this.#commit(plan, held, [this.#entry('key.activate', { id: pending.id, cause })]);
  }

  async #retire(rows: RootKeyRows, signal: AbortSignal): Promise<void> {
    const { keyring } = this.#parts;
    const active = activeRow(rows);
    const retired = retiredRows(rows);
    // Memory follows the commit that activated the key.
    if (keyring.active.id !== active.id) return;
    const isSpread = this.#ageOf(active) >= this.#options.spreadMs;
    const compromised = retired.filter(({ state }) => state === 'compromised');
    const pass = new RewrapPass(this.#parts, {
      compromised: new Set(compromised.map(({ id }) => id)),
      retired: retired.map(({ id }) => id),
      since: active.created_at,
      signal,
    });
    const { isClean, report } = await pass.run(await readRewrapReport(this.#parts));
    if (isClean && isSpread) await this.#destroy(retired, report);
  }

  /** Destroys keys that no row needs: a whole pass found none, and the index of data keys has none. */
  async #destroy(
    retired: readonly RootKeyRow[],
    report: Parameters<typeof reportWrite>[1],
  ): Promise<void> {
    const { store, keyring, clock, rows } = this.#parts;
    for (const { id } of retired) if ((await store.count(ROOT_KEYS.versionsUnder(id))) > 0) return;
    const before = await readRootKeys(store);
    const held = await this.#parts.claim.take();
    if (held === undefined || activeRow(before).id !== keyring.active.id) return;
    const gone = new Set(retired.map(({ id }) => id));
    const keys = before.keys.filter(({ id }) => !gone.has(id));
    const removed = before.wraps.filter(({ root_key_id }) => gone.has(root_key_id));
    const changed = changeRootKeys(before, { keys, removed }, keyring.active);
    const now = clock.now();
    const done = reportWrite(rows, {
      ...report,
      table: undefined,
      updatedAt: now,
      finishedAt: now,
    });
    const plan = {
      ...changed,
      writes: [...changed.writes, done],
      invalidates: [...gone].map((id) => `root-keys:destroyed/${id}`),
    };
    const count = report.rewrapped;
    const entries = [...gone].map((id) => this.#entry('key.destroy', { id, count }));
    await this.#commit(plan, held, entries);
    await this.#parts.claim.giveUp();
  }

  async #commit(plan: Plan, held: Expectation, entries: readonly string[]): Promise<void> {
    const { store, state } = this.#parts;
    const outcome = await store.commit({
      ...plan,
      expect: [held, ...(plan.expect ?? [])],
      entries,
    });
    if (outcome.status === 'committed') await state.waitForChange(outcome.seq);
    else if (outcome.status === 'stale') throw new BrokerError('ERR_BUSY');
  }

  #ageOf({ id, state }: RootKeyRow): number {
    const now = this.#parts.clock.monotonic();
    const name = `${id} ${state}`;
    const since = this.#seen.get(name) ?? now;
    this.#seen.set(name, since);
    return now - since;
  }

  #entry(
    action: 'key.rotate' | 'key.activate' | 'key.destroy' | 'key.wrap',
    { id, kind = 'root-key', ...facts }: KeyFacts,
  ): string {
    const document = { kind, name: id };
    return this.#system.entry({ action, outcome: 'ok', document, ...facts });
  }
}

interface KeyFacts {
  readonly id: string;
  readonly kind?: 'kek' | 'root-key';
  readonly cause?: string;
  readonly count?: number;
}
