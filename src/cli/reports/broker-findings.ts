import type { components } from '../../ports/openapi/api.ts';
import { counted } from '../kernel/count.ts';
import type { Finding } from './findings.ts';

type BrokerStatus = components['schemas']['BrokerStatus'];
type Certificate = NonNullable<BrokerStatus['certificates']>[number];

/** A finding since, or until, a time. */
export interface TimedFinding extends Finding {
  readonly state: 'warning' | 'problem';
  readonly at?: string | undefined;
}

/** Limits of the alerts QuaymasterAuditSinkBehind and QuaymasterAuditSinkFailing. */
const MOST_LAG = 10_000;
const LONGEST_LAG_MS = 900_000;

/** Finds sinks that stopped, that fail, or that are far or long behind. */
export function sinkFindings({
  time,
  log: { sinks },
}: Pick<BrokerStatus, 'time' | 'log'>): readonly TimedFinding[] {
  return sinks.flatMap(({ lag = 0, behindSince, stopped, failing }, index): TimedFinding[] => {
    const about = `sink ${index}`;
    const at = behindSince;
    const behind = `${counted(lag, 'entry', 'entries')} behind`;
    if (stopped) {
      const text = `stopped at an entry that does not verify, ${behind}`;
      return [{ about, state: 'problem', text, cure: 'docs/audit.md, "Sinks"', at }];
    }
    if (failing) {
      const cure = 'the log of the broker has the reason: "an audit sink failed"';
      return [{ about, state: 'problem', text: `fails, ${behind}`, cure, at }];
    }
    const late = behindSince === undefined ? 0 : Date.parse(time) - Date.parse(behindSince);
    if (lag <= MOST_LAG && late <= LONGEST_LAG_MS) return [];
    return [{ about, state: 'problem', text: behind, cure: 'check the receiver of the sink', at }];
  });
}

const RENEW =
  'renew the file that this setting names: docs/operations.md, "Reloading the configuration"';

/** Finds certificates that have expired, or that should have been renewed by now. */
export function certificateFindings(all: readonly Certificate[]): readonly TimedFinding[] {
  return all.flatMap(({ setting, expiresAt: at, state }): TimedFinding[] => {
    if (state === 'valid') return [];
    const about = `certificate ${setting}`;
    return state === 'expired'
      ? [{ about, state: 'problem', text: 'has expired', cure: RENEW, at }]
      : [{ about, state: 'warning', text: 'expires soon', cure: RENEW, at }];
  });
}
