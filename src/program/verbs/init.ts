import { systemClock } from '../../process/clock.ts';
import { loadConfig } from '../config/load.ts';
import { refuseOpenProcess } from '../config/process-options.ts';
import { BrokerError } from '../../domain/errors.ts';
import { parseDuration } from '../../domain/policy/duration.ts';
import { createLog } from '../../process/log.ts';
import { initialise } from '../installation/initialise.ts';

/** Creates missing keys, store and admin token. @returns the text for the operator. @throws ERR_CONFIG_INVALID, ERR_CONFLICT */
export async function runInit(options: {
  readonly config: string;
  readonly tokenFile: string;
  readonly tokenTtl: string;
}): Promise<string> {
  const tokenTtlSeconds = parseDuration(options.tokenTtl);
  if (tokenTtlSeconds === undefined) {
    throw new BrokerError('ERR_CONFIG_INVALID', '--token-ttl must be a duration such as 30m or 1h');
  }
  const config = await loadConfig(options.config);
  refuseOpenProcess(config);
  const { tokenFile } = options;
  const deps = { clock: systemClock, log: createLog({ level: 'warn', clock: systemClock }) };
  const { created, operator, tokenEndsAt } = await initialise(
    config,
    { tokenFile, tokenTtlSeconds },
    deps,
  );
  const lines = created.map((what) => `created ${what}`);
  if (config.kek.type === 'local-file' && created.length > 0)
    lines.push(keepTheKey(config.kek.path));
  lines.push(
    `wrote the token of operator "${operator}" to ${tokenFile}; it expires at ${new Date(tokenEndsAt).toISOString()}`,
  );
  return lines.join('\n');
}

function keepTheKey(path: string): string {
  return [
    `KEEP A COPY OF ${path} IN A SAFE PLACE, apart from the backups of the store.`,
    'Anyone who has both can read every secret. Without this key no one can read the stored secrets again.',
  ].join('\n');
}
