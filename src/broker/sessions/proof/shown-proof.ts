/** A DPoP proof as it came, and the request that it has to be about. All attacker-controlled. */
export interface ShownProof {
  /** The header; undefined where there is none. */
  readonly text: string | undefined;
  /** Whether the header came more than once: a proxy may have looked at the other one. */
  readonly isRepeated: boolean;
  readonly method: string;
  /** What the client may have used, `http` or `https`. */
  readonly schemes: readonly string[];
  /** The header `Host`. */
  readonly host: string;
  /** Of the target, without a query. */
  readonly path: string;
}
