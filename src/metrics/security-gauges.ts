import { Counter, Gauge, type Registry } from 'prom-client';
import type { Alerting } from '../broker/alerts/alerting.ts';
import type { Storage } from '../broker/state/dependencies.ts';
import { QUARANTINE_KINDS } from '../domain/identity/quarantine.ts';
import { ALERTS } from '../ports/queries.ts';
import type { Parts } from '../compose/parts.ts';

/** Registers whether the key-encryption keys work: the next start needs one of them. */
export function registerKeks(registers: Registry[], { wrappers }: Pick<Parts, 'wrappers'>): void {
  new Gauge({
    name: 'quaymaster_kek_failing',
    help: 'Key-encryption keys of the configuration whose last use failed',
    registers,
    collect() {
      this.set(wrappers.problems().size);
    },
  });
  new Gauge({
    name: 'quaymaster_kek_last_success_age_seconds',
    help: 'Seconds since a key-encryption key last opened the root key; the broker tries once a minute',
    registers,
    collect() {
      this.set(wrappers.sinceOpened() / 1000);
    },
  });
}

/** Requests that wait for an admin, and rights that an operator has for a time. */
export function registerApprovals(
  registers: Registry[],
  { approvals }: Pick<Parts, 'approvals'>,
): void {
  new Gauge({
    name: 'quaymaster_approvals',
    help: 'Requests that an admin must approve, approved changes that were not made yet, and elevations in force',
    labelNames: ['kind', 'state'],
    registers,
    collect() {
      const open = approvals.inForce();
      for (const kind of ['admin-grant', 'break-glass'] as const) {
        const own = open.filter(({ what }) => 'change' in what === (kind === 'admin-grant'));
        for (const state of ['pending', 'approved'] as const) {
          this.set({ kind, state }, own.filter((each) => each.state === state).length);
        }
      }
    },
  });
}

/** Alerts of runtime sensors. Every source of the configuration has its series, so that one that never sent anything shows. */
export function registerAlerts(
  registers: Registry[],
  {
    alertTallies,
    alertSources,
    store,
  }: Pick<Alerting, 'alertTallies' | 'alertSources'> & Pick<Storage, 'store'>,
): void {
  new Counter({
    name: 'quaymaster_alerts_total',
    help: 'Runtime alerts that this process received, by source and outcome',
    labelNames: ['source', 'outcome'],
    registers,
    collect() {
      this.reset();
      for (const [source, outcomes] of alertTallies.outcomes()) {
        for (const [outcome, count] of outcomes) this.inc({ source, outcome }, count);
      }
    },
  });
  new Gauge({
    name: 'quaymaster_alert_source_last_timestamp_seconds',
    help: 'When a source last sent an alert or a test to this process; 0 if it never did',
    labelNames: ['source'],
    registers,
    collect() {
      this.reset();
      for (const source of alertSources.names) {
        this.set({ source }, (alertTallies.lastAt(source) ?? 0) / 1000);
      }
    },
  });
  new Gauge({
    name: 'quaymaster_alerts_pending',
    help: 'Alerts beyond the limit of their source, whose response an operator must begin or dismiss',
    registers,
    async collect() {
      this.set(await store.count(ALERTS.inState('pending')));
    },
  });
}

/** Registers the gauges of image reports, quarantines and incomplete responses to alerts. */
export function registerContainers(
  registers: Registry[],
  {
    evidence,
    attestations,
    quarantines,
    store,
  }: Pick<Parts, 'evidence' | 'attestations' | 'quarantines'> & Pick<Storage, 'store'>,
): void {
  new Gauge({
    name: 'quaymaster_image_statements',
    help: 'Reports of scanners (evidence) and signatures (attestation) about images in the store',
    labelNames: ['kind'],
    registers,
    collect() {
      this.set({ kind: 'evidence' }, evidence.shareOf().rows);
      this.set({ kind: 'attestation' }, attestations.count);
    },
  });
  new Gauge({
    name: 'quaymaster_image_statement_bytes',
    help: 'Bytes of these reports and signatures; each replica keeps them in memory',
    labelNames: ['kind'],
    registers,
    collect() {
      this.set({ kind: 'evidence' }, evidence.shareOf().bytes);
      this.set({ kind: 'attestation' }, attestations.bytes);
    },
  });
  new Gauge({
    name: 'quaymaster_quarantines',
    help: 'Quarantines in force, by what they cover',
    labelNames: ['kind'],
    registers,
    collect() {
      const inForce = quarantines.inForce();
      for (const kind of QUARANTINE_KINDS)
        this.set({ kind }, inForce.filter((each) => each.kind === kind).length);
    },
  });
  new Gauge({
    name: 'quaymaster_responses_unfinished',
    help: 'Responses to alerts and incidents that are not complete yet',
    registers,
    async collect() {
      this.set(await store.count(ALERTS.inState('responding')));
    },
  });
}
