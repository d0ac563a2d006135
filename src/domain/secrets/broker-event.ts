/** An event for a holder of a secret. No event contains a value: the holder reads again, and the broker decides again. */
export type BrokerEvent =
  /** The stream has begun: it reports every event after `id`. */
  | { readonly type: 'ready'; readonly id: number }
  /** The broker has dropped events after the last id that the caller knows: the caller should check everything it holds. */
  | { readonly type: 'reset'; readonly id: number }
  /** A secret for which this session holds a lease has changed. */
  | { readonly type: 'secret.changed'; readonly id: number; readonly path: string }
  /** A lease of this session was revoked, was superseded or has expired. */
  | { readonly type: 'leases.changed'; readonly id: number }
  /** The session has ended, and the stream ends with it. */
  | { readonly type: 'session.ended'; readonly id: number };
