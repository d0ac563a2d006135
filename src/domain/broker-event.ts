/** What a holder is told as it happens. No event holds a value: a holder who is told reads again, and is decided on again. */
export type BrokerEvent =
  /** The stream has begun: what comes later is all that happens after `id`. */
  | { readonly type: 'ready'; readonly id: number }
  /** More happened since the last id that the caller knows than is remembered: it should look at everything it holds. */
  | { readonly type: 'reset'; readonly id: number }
  /** The secret at a path that this session holds a lease for has changed. */
  | { readonly type: 'secret.changed'; readonly id: number; readonly path: string }
  /** A lease of this session was taken back, superseded or has expired. */
  | { readonly type: 'leases.changed'; readonly id: number }
  /** The session is over, and the stream with it. */
  | { readonly type: 'session.ended'; readonly id: number };
