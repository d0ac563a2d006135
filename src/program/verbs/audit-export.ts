import { systemClock } from '../../process/clock.ts';
import { exportLog, type Progress } from '../../audit/proof/export.ts';
import { formattedFile, writeFormatted } from '../../audit/proof/export-formatted.ts';
import { damageText } from '../../audit/log/log-damage.ts';
import { storeSource } from '../../audit/proof/export-source.ts';
import { loadConfig } from '../config/load.ts';
import { openStore } from '../../store/index.ts';
import { logIdentity } from '../../audit/records/log-identity.ts';
import { storedIdentity } from '../../audit/log/log-origin.ts';
import { loadKeys } from '../../broker/keys/installation-keys.ts';
import { openWrappers } from '../keys/keys.ts';
import { requireLogKey } from '../keys/log-key.ts';
import { beginLog } from '../log/audit-trail.ts';
import { brokerSource, type LogClient } from './broker-source.ts';
import { LOG_FORMATS, type LogFormat } from '../../domain/audit/formats/format-names.ts';
import { BrokerError } from '../../domain/errors.ts';

/** The store of a configuration file, or a running broker. */
type ExportFrom = { readonly config: string } | { readonly broker: LogClient };

/** Exports the log to a new directory. @returns a summary, and one line for each damaged part. @throws ERR_CONFIG_INVALID, ERR_NOT_FOUND, ERR_STORE_UNAVAILABLE, ApiError, UnreachableError */
export async function runAuditExport(
  directory: string,
  from: ExportFrom,
  {
    progress,
    format: wanted,
  }: { readonly progress: Progress; readonly format?: string | undefined },
): Promise<{ readonly text: string; readonly damage: readonly string[] }> {
  const format = wanted === undefined ? undefined : formatOf(wanted);
  const manifest = await exportFrom(directory, from, progress);
  if (format !== undefined) await writeFormatted(directory, manifest, format);
  const { origin, size, logKey, damage = [], missingTiles = [] } = manifest;
  const lost = damage.reduce((sum, { first, end }) => sum + end - first, 0);
  return {
    text: [
      `exported ${size - lost} of ${size} entries of ${origin} to ${directory}`,
      ...(format === undefined
        ? []
        : [`lines of ${format}: ${directory}/${formattedFile(format)}`]),
      `log key: ${logKey}`,
    ].join('\n'),
    damage: [
      ...damage.map(damageText),
      ...missingTiles.map((path) => `${path} is not in the store`),
    ],
  };
}

/** @throws ERR_CONFIG_INVALID before anything is written */
function formatOf(text: string): LogFormat {
  const format = LOG_FORMATS.find((each) => each === text);
  if (format !== undefined) return format;
  const detail = `--format is ${LOG_FORMATS.join(', ')}, not ${text}`;
  throw new BrokerError('ERR_CONFIG_INVALID', detail, { isDetailShown: true });
}

async function exportFrom(
  directory: string,
  from: ExportFrom,
  progress: Progress,
): ReturnType<typeof exportLog> {
  if ('broker' in from) return exportLog(brokerSource(from.broker), directory, progress);
  const config = await loadConfig(from.config);
  const clock = systemClock;
  const { chain, logKey } = await beginLog(config, clock);
  const store = await openStore(config.store, { chain, clock, mode: config.mode });
  try {
    const key = logKey ?? requireLogKey(await loadKeys(store, await openWrappers(config, clock)));
    const identity = await storedIdentity(store, logIdentity(config.audit.origin, key));
    return await exportLog(storeSource(store, identity), directory, progress);
  } finally {
    await store.close();
  }
}
