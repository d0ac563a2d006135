import { BrokerError } from '../../domain/errors.ts';

const FLOOR = [3, 51, 3] as const;

/** @throws ERR_CONFIG_INVALID below 3.51.3: in 3.7.0 to 3.51.2 a reset of the write-ahead log could lose commits. */
export function assertSqliteVersion(version: string): void {
  const parts = version.split('.').map(Number);
  for (const [index, least] of FLOOR.entries()) {
    const part = parts[index] ?? 0;
    if (part > least) return;
    if (!(part === least)) {
      throw new BrokerError(
        'ERR_CONFIG_INVALID',
        `SQLite ${version} can lose commits: ${FLOOR.join('.')} or later is needed`,
      );
    }
  }
}
