import { Gauge, type Registry } from 'prom-client';
import type { Access } from '../broker/parts.ts';
import type { Parts } from './parts.ts';

/** Whether the key-encryption keys work: the next start needs one of them. */
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
  { approvals }: Pick<Access, 'approvals'>,
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
