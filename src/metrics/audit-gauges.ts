import { Counter, Gauge, type Registry } from 'prom-client';
import type { AuditTrail } from '../compose/log/audit-trail.ts';

export function registerAudit(registers: Registry[], trail: AuditTrail): void {
  new Gauge({
    name: 'quaymaster_audit_entries',
    help: 'Entries in the tree of the last checkpoint',
    registers,
    collect() {
      this.set(trail.integrator.status().size);
    },
  });
  new Gauge({
    name: 'quaymaster_audit_broken_chains',
    help: 'Chains of the audit log that do not hold: tampering or damage; anything but 0 is an alarm',
    registers,
    collect() {
      this.set(trail.integrator.status().broken.length);
    },
  });
  registerSinks(registers, trail);
  registerAcknowledgements(registers, trail);
  registerScrubber(registers, trail);
  registerWitnesses(registers, trail);
  new Gauge({
    name: 'quaymaster_audit_compressed_entries',
    help: 'Entries of the audit log up to which its batches are compressed into segments; the newest 512 stay as they are',
    registers,
    collect() {
      this.set(trail.compactor.done);
    },
  });
}

/** A broker that does not deliver to a sink has no lag for it: another broker does. */
function registerSinks(registers: Registry[], trail: AuditTrail): void {
  new Gauge({
    name: 'quaymaster_audit_sink_lag_entries',
    help: 'Entries in the log that a sink does not have yet; sinks by their place in the configuration',
    labelNames: ['sink'],
    registers,
    collect() {
      this.reset();
      for (const [sink, { lag }] of trail.sinks().entries()) {
        if (lag !== undefined) this.set({ sink: String(sink) }, lag);
      }
    },
  });
  new Gauge({
    name: 'quaymaster_audit_sink_stopped',
    help: '1 while a sink stands before an entry that does not verify; sinks by their place in the configuration',
    labelNames: ['sink'],
    registers,
    collect() {
      this.reset();
      for (const [sink, { isStopped }] of trail.sinks().entries())
        this.set({ sink: String(sink) }, isStopped ? 1 : 0);
    },
  });
  new Gauge({
    name: 'quaymaster_audit_sink_failing',
    help: '1 while the last attempt to deliver to a sink failed; sinks by their place in the configuration',
    labelNames: ['sink'],
    registers,
    collect() {
      this.reset();
      for (const [sink, { isFailing }] of trail.sinks().entries())
        this.set({ sink: String(sink) }, isFailing ? 1 : 0);
    },
  });
}

function registerAcknowledgements(registers: Registry[], { acknowledgements }: AuditTrail): void {
  new Counter({
    name: 'quaymaster_audit_acknowledgements_total',
    help: 'Answers that waited for the sinks with mustAcknowledge, by result: acknowledged, or unacknowledged and withheld',
    labelNames: ['result'],
    registers,
    collect() {
      const { acknowledged, unacknowledged } = acknowledgements.status();
      this.reset();
      this.inc({ result: 'acknowledged' }, acknowledged);
      this.inc({ result: 'unacknowledged' }, unacknowledged);
    },
  });
  new Gauge({
    name: 'quaymaster_audit_acknowledgements_waiting',
    help: 'Answers that wait for the sinks with mustAcknowledge',
    registers,
    collect() {
      this.set(acknowledgements.status().waiting);
    },
  });
}

/** Registers the gauges of witnesses. Without witnesses the series with the label `witness` are absent, and the others are 0. */
function registerWitnesses(registers: Registry[], trail: AuditTrail): void {
  new Gauge({
    name: 'quaymaster_audit_witnessed_entries',
    help: 'Entries in the tree of the newest checkpoint that enough witnesses cosigned',
    registers,
    collect() {
      this.set(trail.witnesses?.status().size ?? 0);
    },
  });
  new Gauge({
    name: 'quaymaster_audit_unwitnessed_seconds',
    help: 'Seconds since the newest witnessed checkpoint, while the log has entries that it does not cover; 0 if it covers all',
    registers,
    collect() {
      this.set((trail.witnesses?.status().unwitnessedMs ?? 0) / 1_000);
    },
  });
  new Gauge({
    name: 'quaymaster_audit_witness_failing',
    help: '1 while a witness fails to give a cosignature',
    labelNames: ['witness'],
    registers,
    collect() {
      for (const { name, fault } of trail.witnesses?.status().witnesses ?? [])
        this.set({ witness: name }, fault === undefined ? 0 : 1);
    },
  });
  new Gauge({
    name: 'quaymaster_audit_witness_contradictions',
    help: 'Answers of a witness since the start that contradict a signed statement of the log or of the witness; anything but 0 is an alarm',
    labelNames: ['witness'],
    registers,
    collect() {
      for (const { name, contradictions } of trail.witnesses?.status().witnesses ?? [])
        this.set({ witness: name }, contradictions);
    },
  });
}

function registerScrubber(registers: Registry[], { scrubber }: AuditTrail): void {
  new Gauge({
    name: 'quaymaster_audit_damaged_entries',
    help: 'Entries of the audit log that do not verify, by the last walk over it; anything but 0 is an alarm',
    registers,
    collect() {
      this.set(scrubber.status().damaged);
    },
  });
  new Gauge({
    name: 'quaymaster_audit_scrubbed_entries',
    help: 'Entries that the walk in progress, or the last one, has checked',
    registers,
    collect() {
      this.set(scrubber.status().checked);
    },
  });
  new Gauge({
    name: 'quaymaster_audit_scrub_completed_timestamp_seconds',
    help: 'When the last complete walk over the audit log ended; 0 before the first in this process',
    registers,
    collect() {
      this.set((scrubber.status().completedAt ?? 0) / 1000);
    },
  });
}
