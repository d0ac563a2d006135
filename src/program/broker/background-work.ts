import { expiryWorker } from '../../broker/leases/expiry.ts';
import { adoptAbandoned, revoker } from '../../broker/leases/revoker.ts';
import type { Work } from '../../broker/state/dependencies.ts';
import { quarantineWorker } from '../../broker/sessions/quarantine-worker.ts';
import { randomFraction } from '../../crypto/random/random.ts';
import { freeCrashedClaims, RotationWorker } from '../../rotation/rotation-worker.ts';
import type { RowGuard } from '../../store/guard/row-guard.ts';
import type { AuditTrail } from '../log/audit-trail.ts';
import { collectGarbage } from '../../process/collect-garbage.ts';
import type { Config } from '../config/schema.ts';
import type { Background, Features, Parts } from '../../features/feature.ts';
import { openKeyWorker } from '../installation/key-worker.ts';

interface BackgroundDeps {
  readonly parts: Parts;
  readonly features: Features;
  readonly guard: RowGuard;
  readonly trail: Pick<AuditTrail, 'owner'>;
  /**
   * True for a held store: no background work runs, because it cannot be recorded, and the data that it would revoke by may be
   * outdated.
   */
  readonly isHeld: boolean;
}

type Workers = readonly Background[];

/**
 * Starts the workers.
 * @param close stops them and everything that they use
 * @returns a function that stops all background work, once. Sealing the broker does the same.
 */
export async function startBackgroundWork(
  config: Config,
  deps: BackgroundDeps,
  close: (workers: Workers) => Promise<void>,
): Promise<() => Promise<void>> {
  const { parts, isHeld } = deps;
  if (!isHeld && config.store.type === 'sqlite') await adoptAfterCrash(parts);
  const workers = isHeld ? [] : await startWorkers(config, deps);
  const halt = once(async () => {
    parts.events.close();
    parts.changes.close();
    await close(workers);
  });
  parts.state.onSealed(() => void afterSeal(parts, halt));
  return halt;
}

/** Adopts the work of an earlier process: no other process works on a SQLite store. */
async function adoptAfterCrash(parts: Parts): Promise<void> {
  await adoptAbandoned(parts, parts.clock.now());
  await freeCrashedClaims(parts);
}

/** Runs after the keys were erased. It wipes their memory, stops all background work, and closes the holders of backend credentials. */
async function afterSeal({ log }: Pick<Work, 'log'>, halt: () => Promise<void>): Promise<void> {
  log.error({}, 'sealed: the keys are forgotten; start the broker again to unseal it');
  for (const work of [collectGarbage, halt, collectGarbage]) {
    await work().catch((error: unknown) =>
      log.error({ err: error }, 'sealed, but a part of the broker could not be stopped'),
    );
  }
}

function once(work: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | undefined;
  return async () => {
    done ??= work();
    await done;
  };
}

async function startWorkers(config: Config, deps: BackgroundDeps): Promise<Workers> {
  const { parts, features } = deps;
  const workers = [
    ...(await features.workers(parts)),
    expiryWorker(parts),
    revoker(parts, randomFraction),
    quarantineWorker(parts),
    new RotationWorker(parts),
    await openKeyWorker(config, deps),
  ];
  for (const worker of workers) worker.start();
  return workers;
}
