import * as z from 'zod';
import type { Answer } from '../../request/answers.ts';
import type { Asked } from '../../request/route.ts';
import { parseInput } from '../../request/parse-input.ts';
import type { MachineFacts } from '../../routes/probes.ts';
import type { Call, Caller } from '../../../broker/access/call.ts';
import { ownCapabilities } from '../../../broker/decisions/own-capabilities.ts';
import { holdsAnything } from '../../../broker/recording/judge-target.ts';
import { BrokerError } from '../../../domain/errors.ts';
import type { Capability } from '../../../domain/policy/index.ts';
import { envelope } from '../answers.ts';
import type { VaultApiConfig } from '../config.ts';
import type { VaultMounts } from '../mounts.ts';
import type { CallerRoute, Matched, Mount, PublicRoute } from '../route.ts';

/** Level of the API that this face follows. Clients compare it to know which paths exist; the version of the broker is not shown. */
const LEVEL = '1.14.0';
const CLUSTER = 'quaymaster';

export interface Health {
  readonly unready: MachineFacts['unready'];
  readonly isSealed: () => boolean;
  readonly now: () => number;
}

const CODE = /^[1-5][0-9]{2}$/;

/** The status that a probe asks for, within the statuses of HTTP. @throws ERR_REQUEST_INVALID */
function statusFrom({ query }: Matched, name: string, usual: number): number {
  const code = query.get(name);
  if (code === undefined) return usual;
  if (CODE.test(code) && Number(code) >= 200) return Number(code);
  throw new BrokerError('ERR_REQUEST_INVALID', `"${name}" is a status from 200 to 599`, {
    reason: 'parameter',
  });
}

export function healthRoute({ unready, isSealed, now }: Health): PublicRoute {
  return (matched) => ({
    read: () => {
      const codes = {
        sealed: statusFrom(matched, 'sealedcode', 503),
        active: statusFrom(matched, 'activecode', 200),
      };
      return () => {
        const sealed = isSealed();
        const status = sealed ? codes.sealed : unready().length > 0 ? 503 : codes.active;
        const body = {
          initialized: true,
          sealed,
          standby: false,
          performance_standby: false,
          replication_performance_mode: 'disabled',
          replication_dr_mode: 'disabled',
          server_time_utc: Math.floor(now() / 1_000),
          version: LEVEL,
          cluster_name: CLUSTER,
          cluster_id: CLUSTER,
        };
        return Promise.resolve({ status, body });
      };
    },
  });
}

export function sealStatusRoute({ isSealed }: Health): PublicRoute {
  return () => ({
    read: () => () => {
      const body = {
        type: 'shamir',
        initialized: true,
        sealed: isSealed(),
        t: 1,
        n: 1,
        progress: 0,
        nonce: '',
        version: LEVEL,
        build_date: '',
        migration: false,
        recovery_seal: false,
        storage_type: 'quaymaster',
        cluster_name: CLUSTER,
        cluster_id: CLUSTER,
      };
      return Promise.resolve({ status: 200, body });
    },
  });
}

export const leaderRoute: PublicRoute = () => ({
  read: () => () =>
    Promise.resolve({
      status: 200,
      body: {
        ha_enabled: false,
        is_self: false,
        leader_address: '',
        leader_cluster_address: '',
        performance_standby: false,
      },
    }),
});

const CONFIG = { default_lease_ttl: 0, max_lease_ttl: 0, force_no_cache: false };
const MOUNT = {
  local: false,
  seal_wrap: false,
  external_entropy_access: false,
  accessor: '',
  uuid: '',
  config: CONFIG,
};

function optionsOf({ engine }: Mount): object | null {
  return { 'kv-v2': { version: '2' }, 'kv-v1': { version: '1' }, database: null }[engine];
}

function mountJson(mount: Mount): object {
  const type = mount.engine === 'database' ? 'database' : 'kv';
  return { type, description: '', options: optionsOf(mount), ...MOUNT };
}

/** The configured mounts. A caller without any right learns nothing. @throws ERR_DENIED */
function seen({ parts, caller }: Asked<Caller>, mounts: VaultMounts): VaultMounts {
  if (holdsAnything({ parts, caller })) return mounts;
  throw new BrokerError('ERR_DENIED', undefined, { reason: 'no_rule' });
}

/** Clients ask which mount covers a path before they read or write it. */
export function mountRoute(mounts: VaultMounts): CallerRoute {
  return ({ name }) => ({
    read:
      () =>
      ({ parts, call, caller }) => {
        const mount = holdsAnything({ parts, caller }) ? mounts.find(name) : undefined;
        if (mount === undefined) {
          const detail = `preflight capability check returned 403, please ensure client's policies grant access to path "${name}/"`;
          throw new BrokerError('ERR_DENIED', detail, { isDetailShown: true, reason: 'no_mount' });
        }
        return Promise.resolve(
          envelope(call, { data: { ...mountJson(mount), path: `${mount.name}/` } }),
        );
      },
  });
}

function tableOf({ all }: VaultMounts): object {
  return Object.fromEntries(all.map((each) => [`${each.name}/`, mountJson(each)]));
}

export function mountsRoute(mounts: VaultMounts): CallerRoute {
  return () => ({
    read:
      () =>
      ({ parts, call, caller }) => {
        const secret = holdsAnything({ parts, caller }) ? tableOf(mounts) : {};
        return Promise.resolve(envelope(call, { data: { secret, auth: {} } }));
      },
  });
}

/** An answer whose members are below `data` and at the top: clients read either. */
function twice(call: Call, data: object): Answer {
  const made = envelope(call, { data });
  return { ...made, body: { ...(made.body as object), ...data } };
}

export function mountTableRoute(mounts: VaultMounts): CallerRoute {
  return () => ({
    read: () => (asked) => Promise.resolve(twice(asked.call, tableOf(seen(asked, mounts)))),
  });
}

/** The names and types of the mounts for logins. */
export function authTableRoute(mounts: VaultMounts, auth: VaultApiConfig['auth']): CallerRoute {
  const rows = Object.entries(auth).map(([name, login]) => {
    const type = 'cluster' in login ? 'kubernetes' : 'oidc';
    return [`${name}/`, { type, description: '', options: null, ...MOUNT }];
  });
  const table = Object.fromEntries(rows) as object;
  return () => ({
    read: () => (asked) => {
      seen(asked, mounts);
      return Promise.resolve(twice(asked.call, table));
    },
  });
}

type Show = (mount: Mount) => object;

/** Shows one mount by its name. */
function oneMount(mounts: VaultMounts, show: Show): CallerRoute {
  return ({ name }) => ({
    read: () => (asked) => {
      const mount = seen(asked, mounts).all.find((each) => each.name === name.replace(/\/$/, ''));
      if (mount === undefined) {
        const detail = `no mount of vaultApi.mounts has the name "${name}"`;
        throw new BrokerError('ERR_NOT_FOUND', detail, { isDetailShown: true, reason: 'no_mount' });
      }
      return Promise.resolve(twice(asked.call, show(mount)));
    },
  });
}

export function mountRowRoute(mounts: VaultMounts): CallerRoute {
  return oneMount(mounts, mountJson);
}

export function tuningRoute(mounts: VaultMounts): CallerRoute {
  return oneMount(mounts, (mount) => ({ description: '', options: optionsOf(mount), ...CONFIG }));
}

const MOST_PATHS = 32;
const onePath = z.string().min(1).max(1_024);
const capabilitiesBody = z.object({
  path: z.union([onePath, z.array(onePath).max(MOST_PATHS)]).optional(),
  paths: z.union([onePath, z.array(onePath).max(MOST_PATHS)]).optional(),
});

/** Answers what the caller may do on paths of this face, from the decisions on the paths of the broker. */
export function capabilitiesRoute(mounts: VaultMounts): CallerRoute {
  return () => ({
    body: { maxBytes: 65_536 },
    read: ({ body }) => {
      const { path = [], paths = path } = parseInput(capabilitiesBody, body?.value);
      const asked = [...new Set([paths].flat())];
      if (asked.length === 0) {
        throw new BrokerError('ERR_BODY_INVALID', '"paths" names at least one path');
      }
      const targets = new Map(asked.map((each) => [each, mounts.targetOf(each)]));
      return async ({ parts, call, caller }): Promise<Answer> => {
        const own = [...new Set([...targets.values()].flatMap((target) => target?.path ?? []))];
        const held =
          own.length === 0
            ? new Map<string, readonly Capability[]>()
            : await ownCapabilities(parts, call, caller, own);
        const answers = asked.map((each) => {
          const target = targets.get(each);
          return [each, capabilityWords(held.get(target?.path ?? '') ?? [], target?.isMetadata)];
        });
        const all = Object.fromEntries(answers) as Record<string, readonly string[]>;
        const only = asked.length === 1 ? { capabilities: all[asked[0] ?? ''] } : {};
        const data = { ...all, ...only };
        return twice(call, data);
      };
    },
  });
}

/** Vault splits writing into more words, and puts listing and the data about versions on another path. */
function capabilityWords(held: readonly Capability[], isMetadata = false): readonly string[] {
  const words = new Set<string>();
  if (held.includes('write'))
    for (const word of ['create', 'delete', 'patch', 'update']) words.add(word);
  if (held.includes(isMetadata ? 'list' : 'read')) words.add('read');
  if (held.includes('list')) words.add('list');
  return words.size === 0 ? ['deny'] : [...words].sort();
}
