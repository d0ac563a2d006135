import { z } from 'zod';
import { BrokerError } from '../../domain/errors.ts';
import { isSubdomain } from './names.ts';

/** Carried by every anchor, so that lists of secrets leave them out and people know whose they are. */
export const ANCHOR_LABEL = 'quaymaster.dev/credential';
export const ANCHOR_TYPE = 'quaymaster.dev/anchor';

const NAME_PREFIX = 'quaymaster-';

/** The name of the Secret on which an intent's token hangs: found again from the intent alone. @throws ERR_INTERNAL */
export function anchorName(intentId: string): string {
  const name = `${NAME_PREFIX}${intentId.toLowerCase().replaceAll('_', '-')}`;
  if (!isSubdomain(name)) throw new BrokerError('ERR_INTERNAL');
  return name;
}

/** Whether `anchorName` can have made this name. */
export function isAnchorName(name: string): boolean {
  return name.startsWith(NAME_PREFIX) && isSubdomain(name);
}

/** An empty Secret that cannot be filled: while it exists, tokens bound to it are accepted. */
export function anchorObject(name: string, serviceAccount: string): unknown {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      name,
      labels: { 'app.kubernetes.io/managed-by': 'quaymaster', [ANCHOR_LABEL]: 'token' },
      annotations: { 'quaymaster.dev/service-account': serviceAccount },
    },
    type: ANCHOR_TYPE,
    immutable: true,
  };
}

const anchor = z.object({
  kind: z.literal('Secret'),
  type: z.literal(ANCHOR_TYPE),
  metadata: z.object({ name: z.string(), uid: z.string().min(1).max(128) }),
});

/** Whether the answer is our anchor of that name. The type of a Secret cannot be changed after its creation. */
export function isAnchor(answer: unknown, name: string): boolean {
  return anchor.safeParse(answer).data?.metadata.name === name;
}

/** @throws ERR_PROVIDER_MALFORMED for anything but our anchor of that name. */
export function anchorUid(answer: unknown, name: string): string {
  const parsed = anchor.safeParse(answer);
  if (parsed.data?.metadata.name === name) return parsed.data.metadata.uid;
  throw new BrokerError('ERR_PROVIDER_MALFORMED', undefined, { reason: 'not_an_anchor' });
}
