import type { SecretListEntry } from '@aws-sdk/client-secrets-manager';
import { isSecretPath } from '../../../domain/words/names.ts';
import type { PageRequest } from '../../../domain/page.ts';
import type { SecretListing } from '../../../domain/secrets/secret.ts';
import type { CallContext } from '../../../ports/call-context.ts';
import type { AwsMountOptions } from '../config.ts';
import type { ListedPage } from '../../../ports/secret-provider.ts';
import type { GuardedSecrets } from '../client/secrets-manager.ts';

/** A page stops after this many calls, so that it does not walk all names that no path can reach. */
const MAX_CALLS = 10;

/** Secrets below `prefix`. The cursor is the server's own. Names that are not a path of the broker are skipped. */
export async function listNames(
  secrets: GuardedSecrets,
  mount: AwsMountOptions,
  request: PageRequest & { readonly prefix: string },
  context: CallContext,
): Promise<ListedPage> {
  const base = `${mount.namePrefix}${request.prefix === '' ? '' : `${request.prefix}/`}`;
  const items: SecretListing[] = [];
  let next = request.after;
  let cost = 0;
  while (cost < MAX_CALLS) {
    cost += 1;
    const limit = request.limit - items.length;
    const answer = await secrets.names(base, { next, limit }, context);
    const listings = answer.entries.flatMap((entry) => listingOf(entry, base, mount));
    items.push(...listings.sort(byName));
    next = answer.next;
    if (next === undefined || items.length >= request.limit) break;
  }
  return { items, next, cost };
}

function listingOf(
  { Name: name, SecretVersionsToStages: versions }: SecretListEntry,
  base: string,
  { namePrefix, stage }: AwsMountOptions,
): readonly SecretListing[] {
  if (typeof name !== 'string' || !name.startsWith(base)) return [];
  const rest = name.slice(namePrefix.length);
  if (!isSecretPath(rest)) return [];
  const version = Object.entries(versions ?? {}).find(([, stages]) => stages.includes(stage))?.[0];
  return [{ name: rest, ...(version !== undefined && { version }) }];
}

function byName(left: SecretListing, right: SecretListing): number {
  if (left.name === right.name) return 0;
  return left.name < right.name ? -1 : 1;
}
