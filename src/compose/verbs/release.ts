import { systemClock } from '../../clock.ts';
import { loadConfig } from '../../config/load.ts';
import { BrokerError } from '../../domain/errors.ts';
import { createLog } from '../../log.ts';
import { openStore } from '../../store/index.ts';
import { AuditTrail, openBootLog } from '../audit-trail.ts';

/** Vouches for a held store as it is, and records who says so and why. @throws ERR_CONFLICT when it is not held, ERR_HELD when it is damaged. */
export async function runRelease(options: {
  readonly config: string;
  readonly comment: string;
}): Promise<string> {
  const config = await loadConfig(options.config);
  const log = createLog({ level: 'warn', clock: systemClock });
  const clock = systemClock;
  const bootLog = await openBootLog(config, clock);
  const store = await openStore(config.store, { chain: bootLog.chain, clock, mode: config.mode });
  const trail = new AuditTrail(bootLog, { config, store, clock, log });
  try {
    const reason = await trail.release(options.comment);
    return `released: it was held because of ${reason}`;
  } catch (error) {
    throw BrokerError.from(error);
  } finally {
    await trail.stop('released');
    await store.close();
  }
}
