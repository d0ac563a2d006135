import type { Registry } from 'prom-client';

/** What machines ask the broker about itself. */
export interface MachineFacts {
  /** Codes of why the broker should get no requests now; empty: it is ready. */
  readonly unready: () => readonly string[];
  /** What holds the store, by kind of row and without names; empty: it is not held. */
  readonly held: () => readonly {
    readonly reason: string;
    readonly kind?: string;
    readonly count?: number;
  }[];
  /** Codes of what an operator should change; requests are served all the same. */
  readonly warnings: () => readonly string[];
  readonly metrics: Registry;
  /** False where metrics have a listener of their own. */
  readonly servesMetrics: boolean;
  /** openapi.yaml as JSON text. */
  readonly openApi: string;
}
