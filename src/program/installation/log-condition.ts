import { otherOrigin, type HeldReason } from '../../audit/log/held-reasons.ts';
import type { LogIdentity } from '../../audit/records/log-identity.ts';
import { cureOf, HELD } from '../../domain/conditions.ts';
import type { Log } from '../../ports/log.ts';
import type { OpenedStore } from '../../store/index.ts';

/** Logs what the opened store needs from an operator. */
export async function logCondition(
  log: Log,
  held: HeldReason | undefined,
  { opened, identity }: { readonly opened: OpenedStore; readonly identity: LogIdentity },
): Promise<void> {
  const { migrated, differences, revokeConnect, syncMs } = opened.condition;
  if (migrated !== undefined)
    log.info({ ...migrated }, 'the store was migrated to the schema of this release');
  if (syncMs !== undefined) logSync(log, syncMs);
  const condition = held && HELD[held];
  if (condition !== undefined) {
    const stored = held === 'origin_differs' ? await otherOrigin(opened, identity) : undefined;
    log.error(
      {
        reason: held,
        ...(differences.length > 0 && { differences }),
        ...(stored !== undefined && { configured: identity.configured.origin, stored }),
      },
      `the store is held, so nothing is served: ${condition.what}; ${cureOf(condition)}`,
    );
  }
  if (revokeConnect !== undefined) {
    log.warn(
      { run: revokeConnect },
      "every role of the PostgreSQL server may connect to the store's database and use up its connections: revoke it",
    );
  }
}

/** The least sync that is most of the time of a read that is alone. */
const SLOW_SYNC_MS = 2;

function logSync(log: Log, measured: number): void {
  const syncMs = Math.round(measured * 100) / 100;
  if (syncMs < SLOW_SYNC_MS) log.info({ syncMs }, 'the disk of the store was measured');
  else
    log.warn(
      { syncMs },
      'the disk of the store is slow: each answer waits for a sync; see "Latency by sync time" in docs/performance.md',
    );
}
