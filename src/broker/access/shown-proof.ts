/** A DPoP proof as received, and the request that it must cover. All of it is attacker-controlled. */
export interface ShownProof {
  /** The header; undefined if absent. */
  readonly text: string | undefined;
  /** True if the header occurred more than once: a proxy may have checked the other one. */
  readonly isRepeated: boolean;
  readonly method: string;
  /** The schemes that the client may have used: `http` or `https`. */
  readonly schemes: readonly string[];
  /** The header `Host`. */
  readonly host: string;
  /** The path of the target, without a query. */
  readonly path: string;
}
