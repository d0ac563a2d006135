import { systemClock } from '../../clock.ts';
import { exportLog, type Progress } from '../../audit/export.ts';
import { damageText } from '../../audit/log-damage.ts';
import { storeSource } from '../../audit/export-source.ts';
import { loadConfig } from '../config/load.ts';
import { openStore } from '../../store/index.ts';
import { atOrigin, openBootLog } from '../audit-trail.ts';
import { brokerSource, type LogClient } from './broker-source.ts';

/** The store of a configuration file, or a running broker. */
type ExportFrom = { readonly config: string } | { readonly broker: LogClient };

/** Exports the log to a new directory. @returns a summary, and one line for each damaged part. @throws ERR_CONFIG_INVALID, ERR_NOT_FOUND, ERR_STORE_UNAVAILABLE, ApiError, UnreachableError */
export async function runAuditExport(
  directory: string,
  from: ExportFrom,
  progress: Progress,
): Promise<{ readonly text: string; readonly damage: readonly string[] }> {
  const manifest = await exported(directory, from, progress);
  const { origin, size, logKey, damage = [], missingTiles = [] } = manifest;
  const lost = damage.reduce((sum, { first, end }) => sum + end - first, 0);
  return {
    text: `exported ${size - lost} of ${size} entries of ${origin} to ${directory}\nlog key: ${logKey}`,
    damage: [
      ...damage.map(damageText),
      ...missingTiles.map((path) => `${path} is not in the store`),
    ],
  };
}

async function exported(
  directory: string,
  from: ExportFrom,
  progress: Progress,
): ReturnType<typeof exportLog> {
  if ('broker' in from) return exportLog(brokerSource(from.broker), directory, progress);
  const config = await loadConfig(from.config);
  const bootLog = await openBootLog(config, systemClock);
  const { chain } = bootLog;
  const store = await openStore(config.store, { chain, clock: systemClock, mode: config.mode });
  try {
    const { identity } = await atOrigin(bootLog, store);
    return await exportLog(storeSource(store, identity), directory, progress);
  } finally {
    await store.close();
  }
}
