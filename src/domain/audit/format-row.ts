/** The classes of OCSF 1.8.0 that entries map to, with their category. */
export const OCSF_CLASSES = {
  api: { class: 6003, category: 6 },
  authentication: { class: 3002, category: 3 },
  /** Release 1.8.0 has no User Management (3007). */
  account: { class: 3001, category: 3 },
  entity: { class: 3004, category: 3 },
  finding: { class: 2004, category: 2 },
} as const;

export type OcsfClass = keyof typeof OCSF_CLASSES;

/** Values of one action in the formats of other systems. */
export interface FormatRow {
  readonly class: OcsfClass;
  /** `activity_id` of the class; 99: the action is its name. */
  readonly activity: number;
  /** CEF, 0 to 10, of a success. A refusal has at least 6, a failure at least 4. */
  readonly severity: number;
  /** Verb and resource of a Kubernetes audit event; the resource is also the category in CEF. */
  readonly verb: string;
  readonly resource: string;
}
