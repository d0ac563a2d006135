import type { AccessPolicy } from '../../domain/policy/index.ts';
import type { StoredDocument } from './document.ts';
import { parseSpec } from './schema.ts';

/** The policy that a document is, if it is one. */
export function policyOf(document: StoredDocument | undefined): AccessPolicy | undefined {
  return document?.kind === 'policy' ? (document.spec as AccessPolicy) : undefined;
}

/** The policy that a body would be; undefined where it is none: asked only to know where it reaches, never to say what is wrong. */
export function policyIn(body: unknown): AccessPolicy | undefined {
  try {
    return parseSpec('policy', body);
  } catch {
    return undefined;
  }
}
