import { z } from 'zod';
import type { Answer } from '../../api/answer/answers.ts';
import { parseInput } from '../../api/request/parse-input.ts';
import type { MachineFacts } from '../../api/routes/probes.ts';
import { ownCapabilities } from '../../broker/decisions/own-capabilities.ts';
import { holdsAnything } from '../../broker/recording/judge-target.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { Capability } from '../../domain/policy/index.ts';
import { envelope } from '../answers.ts';
import type { VaultMounts } from '../mounts.ts';
import type { CallerRoute, Matched, Mount, PublicRoute } from './route.ts';

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

function mountJson({ engine }: Mount): object {
  const options = { 'kv-v2': { version: '2' }, 'kv-v1': { version: '1' }, database: null };
  return {
    type: engine === 'database' ? 'database' : 'kv',
    description: '',
    options: options[engine],
    local: false,
    seal_wrap: false,
    external_entropy_access: false,
    accessor: '',
    uuid: '',
    config: { default_lease_ttl: 0, max_lease_ttl: 0, force_no_cache: false },
  };
}

/** Clients ask which mount covers a path before they read or write it. A caller without any right learns nothing. */
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

export function mountsRoute(mounts: VaultMounts): CallerRoute {
  return () => ({
    read:
      () =>
      ({ parts, call, caller }) => {
        const seen = holdsAnything({ parts, caller }) ? mounts.all : [];
        const secret = Object.fromEntries(seen.map((each) => [`${each.name}/`, mountJson(each)]));
        return Promise.resolve(envelope(call, { data: { secret, auth: {} } }));
      },
  });
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
        const made = envelope(call, { data });
        return { ...made, body: { ...(made.body as object), ...data } };
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
