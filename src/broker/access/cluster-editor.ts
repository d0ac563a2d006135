import { encodeActor } from '../../domain/audit/audit-event.ts';
import type { TextDigest } from '../../domain/audit/audit-text.ts';
import type { Grant } from '../../domain/identity/principal.ts';
import { LiveOperator } from '../state/operator-token-memory.ts';

interface EditorFacts {
  /** Registered cluster whose API server has the object. */
  readonly cluster: string;
  /** Writer of the documents; no operator or person has such a name. */
  readonly owner: string;
  readonly grants: readonly Grant[];
  /** Policies that it may create have names that begin with this text. */
  readonly policyPrefix: string;
}

const NO_TOKEN = Buffer.alloc(0);

/**
 * The broker itself, while it copies one object of a cluster into a document, with the rights that the configuration gives the object's
 * namespace. It has no token that could end.
 */
export class ClusterEditor extends LiveOperator {
  readonly policyPrefix: string;

  constructor({ cluster, owner, grants, policyPrefix }: EditorFacts, digest: TextDigest) {
    const own = {
      kind: 'operator' as const,
      name: owner,
      tokenId: `kubernetes/${cluster}`,
      grants,
      sourceCidrs: [],
      endsAt: Number.MAX_SAFE_INTEGER,
    };
    const actor = encodeActor({ kind: 'system', name: own.tokenId }, digest);
    super(own, [], { hash: NO_TOKEN, digest, person: undefined, minters: [], actor });
    this.policyPrefix = policyPrefix;
  }
}
