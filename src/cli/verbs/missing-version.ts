import { ApiError } from '../../client/index.ts';
import type { Broker } from '../connection/broker.ts';
import { EXIT, Failed } from '../kernel/errors.ts';

/** Most versions that the message names. */
const SHOWN = 10;

/** Names the versions that exist, if a secret lacks the one that the caller asked for. @returns the error to throw */
export async function explainMissingVersion(
  broker: Broker,
  path: string,
  wanted: readonly string[],
  error: unknown,
): Promise<unknown> {
  if (!(error instanceof ApiError) || error.status !== 404) return error;
  const existing = await broker.call('listSecretVersions', { path: { path } }).then(
    ({ body }) => body.items.map(({ version }) => version),
    (): readonly string[] => [],
  );
  const missing = wanted.filter((version) => !existing.includes(version));
  if (existing.length === 0 || missing.length === 0) return error;
  const more = existing.length > SHOWN ? `, and ${existing.length - SHOWN} more` : '';
  const lines = [
    `${error.code}: ${path} has no version ${missing.join(', ')}; versions: ${existing.slice(0, SHOWN).join(', ')}${more}`,
    `  request ${error.requestId}`,
    `  list them: quaymaster versions ${path}`,
  ];
  return new Failed(lines.join('\n'), EXIT.notFound);
}
