import type { AccessPolicy } from '../../domain/policy/index.ts';
import type { StoredDocument } from './document.ts';
import { parseSpec } from './schema.ts';

/** The policy in a document; undefined for any other kind of document. */
export function policyOf(document: StoredDocument | undefined): AccessPolicy | undefined {
  return document?.kind === 'policy' ? (document.spec as AccessPolicy) : undefined;
}

/** The policy in a body; undefined if the body is invalid. It serves only to determine the policy's scope, never to report problems. */
export function policyIn(body: unknown): AccessPolicy | undefined {
  try {
    return parseSpec('policy', body);
  } catch {
    return undefined;
  }
}
