import type { Broker } from '../connection/broker.ts';
import {
  readSamples,
  readIfAllowed,
  witnessesIn,
  type Finding,
  type Samples,
} from './health-checks.ts';
import { distance } from '../run/time.ts';

const MOST_LAG = 10_000;

/** Limit of the alert QuaymasterAuditNotWitnessed. */
const MOST_UNWITNESSED_SECONDS = 900;

/** The log, its sinks and its witnesses. */
export async function logFindings(broker: Broker): Promise<readonly Finding[]> {
  const samples = await readSamples(broker);
  return [logFinding(samples), ...witnessFindings(samples)];
}

function logFinding(samples: Samples): Finding {
  const about = 'audit log';
  const of = (name: string): number => samples.get(`quaymaster_audit_${name}`)?.[0]?.value ?? 0;
  if (of('broken_chains') + of('damaged_entries') > 0) {
    const cure = 'docs/operations.md, "Damage in the audit log"';
    return { about, state: 'problem', text: 'entries do not verify', cure };
  }
  const stopped = samples.get('quaymaster_audit_sink_stopped') ?? [];
  if (stopped.length === 0) {
    const cure = 'set audit.sinks in the configuration, so that entries are also kept elsewhere';
    return { about, state: 'warning', text: 'no sink receives the entries', cure };
  }
  if (stopped.some(({ value }) => value > 0)) {
    return { about, state: 'problem', text: 'a sink stopped', cure: 'docs/audit.md, "Sinks"' };
  }
  if ((samples.get('quaymaster_audit_sink_failing') ?? []).some(({ value }) => value > 0)) {
    const cure = 'the log of the broker has the reason: "an audit sink failed"';
    return { about, state: 'problem', text: 'a sink fails', cure };
  }
  const lag = Math.max(
    0,
    ...(samples.get('quaymaster_audit_sink_lag_entries') ?? []).map(({ value }) => value),
  );
  const text = `a sink is ${lag} entries behind`;
  if (lag > MOST_LAG)
    return { about, state: 'problem', text, cure: 'check the receiver of the sink' };
  return { about, state: 'ok', text: `${of('entries')} entries, ${text}` };
}

/** Reports findings about witnesses; none without witnesses. */
function witnessFindings(samples: Samples): readonly Finding[] {
  const witnesses = witnessesIn(samples);
  if (witnesses.length === 0) return [];
  const first = (name: string): number => samples.get(`quaymaster_audit_${name}`)?.[0]?.value ?? 0;
  const size = first('witnessed_entries');
  const late = Math.round(first('unwitnessed_seconds'));
  const about = 'witnesses';
  const cure = 'docs/audit.md, "Witnesses"; the log of the broker has the reason';
  const failing = witnesses.flatMap(({ witness, contradicts, failing }): readonly Finding[] => {
    const named = `witness "${witness}"`;
    if (contradicts)
      return [{ about: named, state: 'problem', text: 'contradicts the log, or itself', cure }];
    return failing ? [{ about: named, state: 'warning', text: 'gives no cosignature', cure }] : [];
  });
  if (late <= MOST_UNWITNESSED_SECONDS)
    return [{ about, state: 'ok', text: `enough of them cosigned ${size} entries` }, ...failing];
  const text = `no checkpoint of the last ${late} s has enough cosignatures`;
  return [{ about, state: 'warning', text, cure }, ...failing];
}

/**
 * Limit of entries that are due. A run takes all entries that are older than the time to keep: so many are late only if runs do
 * not happen.
 */
const MOST_DUE = 100_000;
const FAILED = 'docs/operations.md, "A failed archive run"';

/** Reports the last run of the archive, the entries that it has not archived yet, and a directory or bucket that cannot be reached. */
export async function archiveFindings(broker: Broker, now: number): Promise<readonly Finding[]> {
  const about = 'audit archive';
  const { place, keepDays = 0, truncation, run } = (await broker.call('readArchive')).body;
  if (place === undefined)
    return [{ about, state: 'ok', text: 'not configured: the store keeps the whole log' }];
  if (run?.state === 'failed') {
    const text = `${place}: the last run failed: ${run.error ?? 'unknown reason'}`;
    return [{ about, state: 'problem', text, cure: FAILED }];
  }
  const last =
    truncation === undefined
      ? 'nothing is archived yet'
      : `the last run was ${distance(Date.parse(truncation.time), now)}`;
  const due = await readIfAllowed(
    async () =>
      (await broker.call('archiveAudit', { body: { reason: 'doctor', dryRun: true } })).body,
  );
  if ('unseen' in due) return [{ about, state: 'ok', text: `${place}: ${last}` }];
  const { total, limitedBy } = due.value;
  const text = `${place}: ${last}; ${total} entries are older than ${keepDays} days`;
  if (limitedBy === 'sink')
    return [
      {
        about,
        state: 'warning',
        text: `${text}; a sink that lags keeps older ones`,
        cure: 'docs/audit.md, "Sinks"',
      },
    ];
  if (total <= MOST_DUE) return [{ about, state: 'ok', text }];
  const cure = 'set audit.archive.intervalHours, or run: quaymaster audit archive --reason TEXT';
  return [{ about, state: 'warning', text, cure }];
}
