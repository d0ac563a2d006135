import { BrokerError } from '../../domain/errors.ts';
import type { SecretData } from '../../domain/secrets/secret.ts';
import { allRows } from '../../ports/queries.ts';
import { listAll } from '../../broker/kernel/list-all.ts';
import type { Backends, Storage, Work } from '../../broker/state/dependencies.ts';
import type { Posture } from './judging.ts';
import { LoopYielder } from '../../broker/kernel/yield-to-loop.ts';
import { Worker } from '../../broker/kernel/worker.ts';
import { EMBEDDED } from '../../domain/secrets/mount.ts';

type Parts = Storage &
  Pick<Backends, 'connections'> &
  Pick<Posture, 'profiles' | 'secretValues'> &
  Pick<Work, 'log'>;

const EVERY_MS = 500;
/** A value that cannot be read makes pods unknown. A round that reads all values must not follow at once. */
const RETRY_MS = 10_000;
/** Values that did not fit may fit after secrets were deleted. */
const RELOAD_MS = 10 * 60_000;

/** Keeps fingerprints of the current embedded secrets in memory, while a profile compares the environment of pods with them. */
export function secretValueWorker(parts: Parts): Worker {
  const { secretValues, clock } = parts;
  let retryAt = -Infinity;
  let reloadAt = -Infinity;
  return new Worker('secret-values', EVERY_MS, parts, async (signal) => {
    if (!isWanted(parts)) {
      secretValues.clear();
      return;
    }
    const now = clock.now();
    try {
      const { isLoaded, isFull } = secretValues;
      if (isLoaded ? isFull && now >= reloadAt : now >= retryAt) {
        reloadAt = now + RELOAD_MS;
        await loadAll(parts, signal);
      }
      await readChanged(parts, signal);
    } catch (error) {
      secretValues.clear();
      retryAt = now + RETRY_MS;
      throw error;
    }
  });
}

function isWanted({ profiles }: Parts): boolean {
  return profiles.all.some(({ spec }) => spec.pod.secretValuesInEnvironment === 'deny');
}

async function loadAll(parts: Parts, signal: AbortSignal): Promise<void> {
  const { secretValues, store, clock } = parts;
  const slices = new LoopYielder(clock);
  secretValues.begin();
  for await (const { path } of listAll(store, allRows('secrets'))) {
    if (signal.aborted) return;
    secretValues.keep(path, await valueAt(parts, path, signal));
    if (slices.isOver) await slices.next();
  }
  secretValues.loaded();
}

async function readChanged(parts: Parts, signal: AbortSignal): Promise<void> {
  const { secretValues } = parts;
  for (const path of secretValues.takeChanged()) {
    if (signal.aborted) return;
    secretValues.keep(path, await valueAt(parts, path, signal));
  }
}

/** An embedded secret is found by its path, whether a mount covers it or not. */
async function valueAt(
  { connections }: Parts,
  path: string,
  signal: AbortSignal,
): Promise<SecretData | undefined> {
  const [prefix = ''] = path.split('/');
  const provider = connections.find(EMBEDDED)?.connection.mount({ prefix });
  try {
    return (await provider?.read(path, undefined, { requestId: 'secret-values', signal }))?.data;
  } catch (error) {
    if (error instanceof BrokerError && error.code === 'ERR_NOT_FOUND') return undefined;
    throw error;
  }
}
