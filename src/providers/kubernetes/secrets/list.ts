import * as z from 'zod';
import { BrokerError } from '../../../domain/errors.ts';
import type { Page, PageRequest } from '../../../domain/page.ts';
import type { SecretListing } from '../../../domain/secrets/secret.ts';
import type { CallContext } from '../../../ports/call-context.ts';
import { ANCHOR_LABEL } from '../credentials.ts';
import { hasStatus } from '../errors.ts';
import type { GuardedApi } from '../client/client.ts';
import { isSubdomain } from '../config.ts';

/** Requests names and labels only: otherwise the server sends every value of the namespace. */
const METADATA_ONLY = 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1';

const namesAnswer = z.object({
  kind: z.literal('PartialObjectMetadataList'),
  metadata: z.object({ continue: z.string().optional() }),
  items: z.array(z.object({ metadata: z.object({ name: z.string() }) })),
});

/** The namespace's Secrets in the server's name order; the cursor is the server's own. */
export async function listSecretNames(
  api: GuardedApi,
  namespace: string,
  page: PageRequest,
  context: CallContext,
): Promise<Page<SecretListing>> {
  const answer = await askForNames(api, namespace, page, context);
  const parsed = namesAnswer.safeParse(answer);
  if (!parsed.success) {
    throw new BrokerError('ERR_PROVIDER_MALFORMED', undefined, { reason: 'not_a_list' });
  }
  const names = parsed.data.items.map(({ metadata }) => metadata.name).filter(isSubdomain);
  const next = parsed.data.metadata.continue;
  return { items: names.map((name) => ({ name })), next: next === '' ? undefined : next };
}

async function askForNames(
  api: GuardedApi,
  namespace: string,
  page: PageRequest,
  context: CallContext,
): Promise<unknown> {
  const query = {
    limit: String(page.limit),
    labelSelector: `!${ANCHOR_LABEL}`,
    ...(page.after !== undefined && { continue: page.after }),
  };
  const path = ['api', 'v1', 'namespaces', namespace, 'secrets'];
  try {
    return await api.call({ method: 'GET', path, query, accept: METADATA_ONLY }, context);
  } catch (error) {
    if (!hasStatus(error, 410)) throw error;
    throw new BrokerError(
      'ERR_REQUEST_INVALID',
      'the page cursor has expired: list from the start',
    );
  }
}
