/** An event for a holder of a secret. No event contains a value: the holder reads again, and the broker decides again. */
export type BrokerEvent =
  /** The stream has begun: what comes later is all that happens after `id`. */
  | { readonly type: 'ready'; readonly id: number }
  /** More happened since the last id that the caller knows than is remembered: it should look at everything it holds. */
  | { readonly type: 'reset'; readonly id: number }
  /** The secret at a path that this session holds a lease for has changed. */
  | { readonly type: 'secret.changed'; readonly id: number; readonly path: string }
  /** A lease of this session was revoked, was superseded or has expired. */
  | { readonly type: 'leases.changed'; readonly id: number }
  /** The session is over, and the stream with it. */
  | { readonly type: 'session.ended'; readonly id: number };
