import { BrokerError } from '../errors.ts';

/** What can be quarantined. The fence key of a scope is `<kind>:<subject>`, and everything the subject does depends on that key. */
export const QUARANTINE_KINDS = ['workload', 'pod', 'operator'] as const;
export type QuarantineKind = (typeof QUARANTINE_KINDS)[number];

/** `subject` is the name of a workload (`k8s://…`, `ci://…`), `<cluster>/<pod UID>`, or the name of an operator. */
export interface QuarantineScope {
  readonly kind: QuarantineKind;
  readonly subject: string;
}

/** A scope with the name of its pod, if the broker knew it. */
export interface NamedScope extends QuarantineScope {
  readonly pod?: { readonly namespace: string; readonly name: string } | undefined;
}

/** A scope that is refused everything. Instants are milliseconds since the epoch. */
export interface Quarantine extends QuarantineScope {
  readonly id: string;
  readonly reason: string;
  /** Name of the operator. */
  readonly createdBy: string;
  readonly createdAt: number;
  /** Undefined: until it is lifted. */
  readonly endsAt: number | undefined;
}

/** The fence key that a quarantine of this scope invalidates, and that sessions, logins and operators depend on. */
export function scopeFence({ kind, subject }: QuarantineScope): string {
  return `${kind}:${subject}`;
}

/** A login that a quarantine refuses: the caller sees an ordinary denial, and only the log names the quarantine. */
export class Quarantined extends BrokerError {
  readonly facts: { readonly quarantine: string; readonly workload: string };

  constructor(quarantine: string, workload: string) {
    super('ERR_DENIED', undefined, { reason: 'quarantined' });
    this.facts = { quarantine, workload };
  }

  /** For the entry of a login that failed: which quarantine refused whom, else nothing. */
  static factsOf(error: unknown): Partial<Quarantined['facts']> {
    return error instanceof Quarantined ? error.facts : {};
  }
}
