import type { Metric, Sample } from '../../ports/metrics.ts';
import type { LogReader } from '../log/log-reader.ts';
import { readLogSize } from './log-size.ts';
import type { Compactor } from '../upkeep/compactor.ts';
import { notificationMetrics } from '../sinks/notification-metrics.ts';
import type { Notifications } from '../sinks/notifications.ts';
import type { Acknowledgements } from '../sinks/acknowledgements.ts';
import type { FollowerStatus } from '../sinks/follower.ts';
import type { Integrator } from '../log/integrator.ts';
import type { Scrubber } from '../upkeep/scrubber.ts';
import type { Witnesses, WitnessStatus } from '../upkeep/witnesses.ts';

export interface MeasuredLog {
  readonly reader: LogReader;
  readonly integrator: Integrator;
  readonly scrubber: Scrubber;
  readonly compactor: Compactor;
  readonly witnesses: Witnesses | undefined;
  readonly acknowledgements: Acknowledgements;
  readonly notifications: Notifications;
  /** The status of each sink, in the order of the configuration. */
  sinks(): readonly FollowerStatus[];
}

/** The metrics of the audit log. */
export function auditMetrics(log: MeasuredLog): readonly Metric[] {
  return [
    {
      name: 'quaymaster_audit_entries',
      help: 'Entries in the tree of the last checkpoint',
      value: () => readLogSize(log),
    },
    {
      name: 'quaymaster_audit_broken_chains',
      help: 'Chains of the audit log that do not hold: tampering or damage; anything but 0 is an alarm',
      value: () => log.integrator.status().broken.length,
    },
    ...sinkMetrics(log),
    ...notificationMetrics(log),
    ...scrubberMetrics(log),
    ...witnessMetrics(log),
    {
      name: 'quaymaster_audit_compressed_entries',
      help: 'Entries of the audit log up to which its batches are compressed into segments; the newest 512 stay as they are',
      value: () => log.compactor.done,
    },
    ...archiveMetrics(log),
  ];
}

/** A broker that does not deliver to a sink has no lag for it: another broker does. */
function sinkMetrics(log: MeasuredLog): readonly Metric[] {
  const each = (value: (status: FollowerStatus) => number | undefined): readonly Sample[] =>
    log.sinks().flatMap((status, index) => {
      const current = value(status);
      return current === undefined ? [] : [[{ sink: String(index) }, current]];
    });
  const acknowledgements = (): ReturnType<Acknowledgements['status']> =>
    log.acknowledgements.status();
  return [
    {
      name: 'quaymaster_audit_sink_lag_entries',
      help: 'Entries in the log that a sink does not have yet; sinks by their place in the configuration',
      labels: ['sink'],
      values: () => each(({ lag }) => lag),
    },
    {
      name: 'quaymaster_audit_sink_stopped',
      help: '1 while a sink stands before an entry that does not verify; sinks by their place in the configuration',
      labels: ['sink'],
      values: () => each(({ isStopped }) => (isStopped ? 1 : 0)),
    },
    {
      name: 'quaymaster_audit_sink_failing',
      help: '1 while the last attempt to deliver to a sink failed; sinks by their place in the configuration',
      labels: ['sink'],
      values: () => each(({ isFailing }) => (isFailing ? 1 : 0)),
    },
    {
      name: 'quaymaster_audit_acknowledgements_total',
      help: 'Answers that waited for the sinks with mustAcknowledge, by result: acknowledged, or unacknowledged and withheld',
      labels: ['result'],
      values: () => [
        [{ result: 'acknowledged' }, acknowledgements().acknowledged],
        [{ result: 'unacknowledged' }, acknowledgements().unacknowledged],
      ],
    },
    {
      name: 'quaymaster_audit_acknowledgements_waiting',
      help: 'Answers that wait for the sinks with mustAcknowledge',
      value: () => acknowledgements().waiting,
    },
  ];
}

function scrubberMetrics({ scrubber }: MeasuredLog): readonly Metric[] {
  return [
    {
      name: 'quaymaster_audit_damaged_entries',
      help: 'Entries of the audit log that do not verify, by the last walk over it; anything but 0 is an alarm',
      value: () => scrubber.status().damaged,
    },
    {
      name: 'quaymaster_audit_scrubbed_entries',
      help: 'Entries that the walk in progress, or the last one, has checked',
      value: () => scrubber.status().checked,
    },
    {
      name: 'quaymaster_audit_scrub_completed_timestamp_seconds',
      help: 'When the last complete walk over the audit log ended; 0 before the first in this process',
      value: () => (scrubber.status().completedAt ?? 0) / 1000,
    },
  ];
}

/** The witnesses. If there are none, the series with the label `witness` are absent, and the others are 0. */
function witnessMetrics(log: MeasuredLog): readonly Metric[] {
  const witnesses = (): readonly WitnessStatus[] => log.witnesses?.status().witnesses ?? [];
  return [
    {
      name: 'quaymaster_audit_witnessed_entries',
      help: 'Entries in the tree of the newest checkpoint that enough witnesses cosigned',
      value: () => log.witnesses?.status().size ?? 0,
    },
    {
      name: 'quaymaster_audit_unwitnessed_seconds',
      help: 'Seconds since the newest witnessed checkpoint, while the log has entries that it does not cover; 0 if it covers all',
      value: () => (log.witnesses?.status().unwitnessedMs ?? 0) / 1000,
    },
    {
      name: 'quaymaster_audit_witness_failing',
      help: '1 while a witness fails to give a cosignature',
      labels: ['witness'],
      values: () =>
        witnesses().map(({ name, fault }) => [{ witness: name }, fault === undefined ? 0 : 1]),
    },
    {
      name: 'quaymaster_audit_witness_contradictions',
      help: 'Answers of a witness since the start that contradict a signed statement of the log or of the witness; anything but 0 is an alarm',
      labels: ['witness'],
      values: () =>
        witnesses().map(({ name, contradictions }) => [{ witness: name }, contradictions]),
    },
  ];
}

/** The archive of the log. Any replica may have archived. */
function archiveMetrics({ reader }: MeasuredLog): readonly Metric[] {
  return [
    {
      name: 'quaymaster_audit_archived_entries',
      help: 'Entries at the beginning of the log that are archived; the store has the others',
      value: async () => (await reader.truncation())?.end ?? 0,
    },
    {
      name: 'quaymaster_audit_archive_completed_timestamp_seconds',
      help: 'When the newest truncation of the audit log was signed; 0 if there is none',
      async value() {
        const truncation = await reader.truncation();
        return truncation === undefined ? 0 : Date.parse(truncation.time) / 1000;
      },
    },
  ];
}
