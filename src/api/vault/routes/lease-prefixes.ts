import type { Asked } from '../../request/route.ts';
import { listLeases, listOwnCredentials, releaseLeases } from '../../../broker/leases/leases.ts';
import { revokeLeases } from '../../../broker/leases/revoke-leases.ts';
import type { LiveOperator } from '../../../broker/state/operator-token-memory.ts';
import { LiveSession } from '../../../broker/state/session-memory.ts';
import { BrokerError } from '../../../domain/errors.ts';
import type { Lease } from '../../../domain/secrets/lease.ts';
import { isUnder } from '../../../domain/words/names.ts';
import { envelope } from '../answers.ts';
import type { VaultMounts } from '../mounts.ts';
import { addKey, MOST_NAMES, tooMany } from './key-values.ts';
import { SMALL } from './leases.ts';
import type { CallerRoute } from '../route.ts';

/** The ids by which clients know the lease of a credential: one for each mount that covers its path. */
function shownIds(mounts: VaultMounts, { id, path }: Lease): readonly string[] {
  return mounts.all
    .filter(({ engine, prefix }) => engine === 'database' && path.startsWith(folderOf(prefix)))
    .map(({ name, prefix }) => `${name}/creds/${path.slice(folderOf(prefix).length)}/${id}`);
}

function folderOf(prefix: string): string {
  return prefix === '' ? '' : `${prefix}/`;
}

/** Lists ids of leases below a prefix: of the own session, or of all sessions for responders and auditors. */
export function listLeasesRoute(mounts: VaultMounts): CallerRoute {
  return ({ name: prefix }) => ({
    read: ({ rates, operation }) => {
      return async ({ parts, call, caller }) => {
        const charge = (): void => rates.chargeCaller(caller, operation.weight);
        const leases =
          caller instanceof LiveSession
            ? await listOwnCredentials(parts, call, caller)
            : await liveCredentials({ parts, call, caller }, mounts.targetOf(prefix)?.path, charge);
        const ids = leases.flatMap((each) => shownIds(mounts, each));
        const keys = new Set<string>();
        for (const id of ids) if (prefix === '' || isUnder(id, prefix)) addKey(keys, id, prefix);
        if (keys.size === 0) throw new BrokerError('ERR_NOT_FOUND', undefined, { reason: 'empty' });
        return envelope(call, { data: { keys: [...keys].sort() } });
      };
    },
  });
}

const PAGE = 1_000;

/** Lists live leases of dynamic credentials, of all sessions. @throws ERR_DENIED, ERR_REQUEST_INVALID for too many */
async function liveCredentials(
  { parts, call, caller }: Asked<LiveOperator>,
  path: string | undefined,
  charge: () => void,
): Promise<readonly Lease[]> {
  const filter = { path, state: 'live' } as const;
  const found: Lease[] = [];
  let after: string | undefined;
  for (let read = PAGE; ; read += PAGE) {
    const page = await listLeases(parts, call, caller, { filter, page: { limit: PAGE, after } });
    found.push(...page.items.filter(({ kind }) => kind === 'dynamic'));
    after = page.next;
    if (after === undefined) return found;
    if (read >= MOST_NAMES) throw tooMany('quaymaster lease ls');
    charge();
  }
}

/** Ends the leases below a prefix: of the own session, or for a responder those of a path, as `quaymaster lease revoke` does. */
export function revokePrefixRoute(mounts: VaultMounts): CallerRoute {
  return ({ name }) => ({
    body: SMALL,
    read: () => {
      const prefix = name.replace(/\/$/, '');
      return async ({ parts, call, caller }) => {
        if (caller instanceof LiveSession) {
          await releaseLeases(parts, call, caller, (lease) =>
            shownIds(mounts, lease).some((id) => isUnder(id, prefix)),
          );
          return { status: 204 };
        }
        const path = mounts.targetOf(prefix)?.path;
        if (path === undefined) throw new BrokerError('ERR_REQUEST_INVALID', NO_CREDENTIAL);
        await revokeLeases(parts, call, caller, { selector: { path } });
        return { status: 204 };
      };
    },
  });
}

const NO_CREDENTIAL =
  'the prefix names no credential; name one as <mount>/creds/<name>, or use quaymaster lease revoke';
