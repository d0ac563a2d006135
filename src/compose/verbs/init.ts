import { systemClock } from '../../clock.ts';
import { loadConfig } from '../config/load.ts';
import { refuseOpenProcess } from '../config/process-options.ts';
import { BrokerError } from '../../domain/errors.ts';
import { parseDuration } from '../../domain/policy/duration.ts';
import { createLog } from '../../log.ts';
import { initialise } from '../initialise.ts';

/** @throws ERR_CONFIG_INVALID, ERR_CONFLICT @returns what to tell the operator. */
export async function runInit(options: {
  readonly config: string;
  readonly tokenFile: string;
  readonly tokenTtl: string;
}): Promise<string> {
  const tokenTtlSeconds = parseDuration(options.tokenTtl);
  if (tokenTtlSeconds === undefined) {
    throw new BrokerError('ERR_CONFIG_INVALID', '--token-ttl is a duration such as 30m or 1h');
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
    `the token of the operator "${operator}" is in ${tokenFile} and ends ${new Date(tokenEndsAt).toISOString()}`,
  );
  return lines.join('\n');
}

function keepTheKey(path: string): string {
  return [
    `KEEP ${path} SAFE, and not beside the backups of the store: whoever has both has every secret,`,
    'and without it nothing that this broker stores can ever be read again.',
  ].join('\n');
}
