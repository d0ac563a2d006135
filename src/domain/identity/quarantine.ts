import { BrokerError } from '../errors.ts';

/** Kinds of quarantined scopes. The fence key of a scope is `<kind>:<subject>`, and everything the subject does depends on that key. */
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

/** A scope that is refused everything, or new secrets. Instants are milliseconds since the epoch. */
export interface Quarantine extends QuarantineScope {
  /** `suspended`: no new secrets; sessions and leases stay, until an operator decides. Undefined: everything is refused. */
  readonly mode?: 'suspended' | undefined;
  readonly id: string;
  readonly reason: string;
  /** Name of the operator. */
  readonly createdBy: string;
  readonly createdAt: number;
  /** Undefined: until it is lifted. */
  readonly endsAt: number | undefined;
  /** The alert whose response made it. */
  readonly responseId?: string | undefined;
  /** The namespace of the scope, if an alert made it. */
  readonly namespace?: string | undefined;
  /** Number of pods that it counts for in the limits of responses. */
  readonly pods?: number | undefined;
}

/** A quarantine with the name of its pod, if the broker knows it. */
export type NamedQuarantine = Quarantine & Pick<NamedScope, 'pod'>;

/** The fence key that a quarantine of this scope invalidates. Sessions, logins and operators depend on it. */
export function scopeFence({ kind, subject }: QuarantineScope): string {
  return `${kind}:${subject}`;
}

/** Refuses a login because of a quarantine: the caller sees an ordinary denial, and only the log names the quarantine. */
export class Quarantined extends BrokerError {
  readonly facts: { readonly quarantine: string; readonly workload: string };

  constructor(quarantine: string, workload: string) {
    super('ERR_DENIED', undefined, { reason: 'quarantined' });
    this.facts = { quarantine, workload };
  }

  /** Facts for the entry of a failed login: the quarantine and the refused scope if a quarantine refused it, otherwise none. */
  static factsOf(error: unknown): Partial<Quarantined['facts']> {
    return error instanceof Quarantined ? error.facts : {};
  }
}
