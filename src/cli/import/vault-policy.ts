import type { Capability } from '../../domain/policy/index.ts';
import { overlaps, outranks, remainderBelow } from './vault-path.ts';

/** An engine of the Vault HTTP API and the prefix of its names at this broker, as in `vaultApi.mounts`. */
export interface VaultMount {
  readonly name: string;
  readonly engine: 'kv-v2' | 'kv-v1' | 'database';
  readonly prefix: string;
}

/** One rule of a policy of Vault or OpenBao. */
export interface VaultRule {
  readonly policy: string;
  readonly path: string;
  readonly capabilities: readonly string[];
  /** Names of other members, such as `allowed_parameters`. */
  readonly restrictions: readonly string[];
}

/** A role of the Kubernetes auth method. */
export interface VaultRole {
  readonly name: string;
  readonly serviceAccounts: readonly string[];
  readonly namespaces: readonly string[];
  readonly policies: readonly string[];
  readonly sourceCidrs: readonly string[];
  /** True if namespaces are also selected by labels. */
  readonly hasSelector: boolean;
}

/** A difference between what a role may do at Vault and what its document allows. */
export interface Difference {
  readonly role: string;
  readonly policy: string;
  readonly path: string;
  /** `wider`: the document allows more. All others allow less. */
  readonly kind: 'not granted' | 'narrower' | 'wider';
  readonly reason: string;
}

interface PolicyRule {
  readonly name: string;
  readonly effect: 'allow' | 'deny';
  readonly paths: readonly string[];
  readonly capabilities: readonly Capability[];
  readonly conditions?: { readonly sourceCidrs: readonly string[] };
}

export interface Translated {
  /** An AccessPolicy; undefined if the role grants nothing that can be expressed. */
  readonly document: object | undefined;
  readonly differences: readonly Difference[];
}

/** The paths of one kind below a mount: each has capabilities of its own at Vault. */
interface Place {
  readonly mount: VaultMount;
  readonly kind: 'data' | 'metadata' | 'value' | 'creds' | 'static-creds';
  readonly base: string;
}

/** A rule at one place. Rules of different places never compete. */
interface Placed {
  readonly rule: VaultRule;
  readonly place: Place;
  /** The rule's path below the place. */
  readonly rest: string;
  readonly pattern: string;
}

const KINDS: Readonly<Record<VaultMount['engine'], readonly Place['kind'][]>> = {
  'kv-v2': ['data', 'metadata'],
  'kv-v1': ['value'],
  database: ['creds', 'static-creds'],
};
const OURS: readonly Capability[] = ['read', 'list', 'write'];
const WRITES = ['create', 'update', 'delete'];
const MOST_PATHS = 50;

/** Makes the AccessPolicy of a role: never wider than its policies, except where a difference says so. */
export function translateRole(
  role: VaultRole,
  policies: ReadonlyMap<string, readonly VaultRule[]>,
  { mounts, cluster }: { readonly mounts: readonly VaultMount[]; readonly cluster: string },
): Translated {
  const differences: Difference[] = [];
  const note = (
    { policy, path }: Pick<VaultRule, 'policy' | 'path'>,
    kind: Difference['kind'],
    reason: string,
  ): void => void differences.push({ role: role.name, policy, path, kind, reason });
  if (role.hasSelector)
    note({ policy: '', path: '' }, 'not granted', 'namespaces are selected by labels; name them');
  const rules = merged(role.policies.flatMap((name) => policies.get(name) ?? missing(name, note)));
  const placed = rules.flatMap((rule) => placesOf(rule, mounts, note));
  const allowed = new Map<string, Set<Capability>>();
  const denied = new Map<string, Set<Capability>>();
  for (const each of placed) {
    const held = capabilitiesOf(each, note);
    for (const capability of OURS) {
      const isHeld = held.includes(capability);
      const isTaken = lacks(each, capability, isHeld) && mustDeny(each, capability, placed, note);
      if (isHeld) add(allowed, namesOf(each, capability), capability);
      if (isTaken) add(denied, takenNames(each, capability, isHeld), capability);
    }
  }
  const conditions = role.sourceCidrs.length > 0 ? { sourceCidrs: role.sourceCidrs } : undefined;
  const documentRules = [
    ...rulesOf('deny', denied, undefined),
    ...rulesOf('allow', allowed, conditions),
  ];
  const isEmpty = allowed.size === 0 || role.namespaces.length === 0;
  return { document: isEmpty ? undefined : documentOf(role, cluster, documentRules), differences };
}

/** A path that ends in a slash. */
const FOLDER = /(?:^|\/)$/;

/** Patterns of a capability. At Vault, listing `x` or `x/` is listing the names in the folder `x`. */
function namesOf({ rule, rest, pattern }: Placed, capability: Capability): readonly string[] {
  if (capability !== 'list') return FOLDER.test(rest) ? [] : [pattern];
  // Only a path without wildcards also stands for its folder.
  const isExact = !/[+*]/.test(rule.path);
  if (FOLDER.test(rest)) return isExact || rule.path.endsWith('/') ? [pattern] : [];
  return isExact && rule.capabilities.includes('list') ? [pattern, `${pattern}/*`] : [pattern];
}

/** Reports whether a rule does not give a capability. A rule of one name that only reads its metadata does not list the folder of that name. */
function lacks({ rule, place }: Placed, capability: Capability, isHeld: boolean): boolean {
  const isUnlisted = place.kind === 'metadata' && !rule.capabilities.includes('list');
  return !isHeld || (capability === 'list' && isUnlisted);
}

/** Patterns that a rule takes away from rules of lower rank. */
function takenNames(
  { rest, pattern }: Placed,
  capability: Capability,
  isHeld: boolean,
): readonly string[] {
  const isName = !rest.endsWith('*') && !FOLDER.test(rest);
  const names = isHeld ? [] : capability !== 'list' && FOLDER.test(rest) ? [] : [pattern];
  return capability === 'list' && isName ? [...names, `${pattern}/*`] : names;
}

type Note = (rule: VaultRule, kind: Difference['kind'], reason: string) => void;

/** The policy `default` has only operations on the caller's own token, which every session has here. */
function missing(policy: string, note: Note): readonly VaultRule[] {
  if (policy !== 'default') {
    const rule = { policy, path: '', capabilities: [], restrictions: [] };
    note(rule, 'not granted', 'the role has this policy, and no file has it');
  }
  return [];
}

/** Vault adds the capabilities of all policies with the same path, and a deny wins. */
function merged(rules: readonly VaultRule[]): readonly VaultRule[] {
  const byPath = new Map<string, VaultRule>();
  for (const rule of rules) {
    const known = byPath.get(rule.path);
    byPath.set(
      rule.path,
      known === undefined
        ? rule
        : {
            ...rule,
            policy: `${known.policy}, ${rule.policy}`,
            capabilities: [...known.capabilities, ...rule.capabilities],
            restrictions: [...known.restrictions, ...rule.restrictions],
          },
    );
  }
  return [...byPath.values()];
}

const TEMPLATES: readonly (readonly [RegExp, string])[] = [
  [
    /\{\{identity\.entity\.aliases\.[^.{}]+\.metadata\.service_account_namespace\}\}/g,
    '${namespace}',
  ],
  [
    /\{\{identity\.entity\.aliases\.[^.{}]+\.metadata\.service_account_name\}\}/g,
    '${serviceAccount}',
  ],
];
const SEGMENT = /^(?:[A-Za-z0-9._+=@-]+|\$\{[A-Za-z]+\})$/;
const OF_VAULT_ITSELF = /^(?:sys|auth|identity|cubbyhole)(?:\/|$)/;

/** The places that a rule covers, with the patterns of this broker for the names there. */
function placesOf(given: VaultRule, mounts: readonly VaultMount[], note: Note): readonly Placed[] {
  const path = TEMPLATES.reduce((text, [form, ours]) => text.replace(form, ours), given.path);
  const rule = { ...given, path };
  const found: Placed[] = [];
  let isCovered = false;
  for (const mount of mounts) {
    for (const kind of KINDS[mount.engine]) {
      const base = kind === 'value' ? mount.name : `${mount.name}/${kind}`;
      const rest = remainderBelow(path, base);
      if (rest === undefined) continue;
      isCovered = true;
      const pattern = patternOf(rest, mount.prefix);
      if (pattern === undefined) note(given, 'not granted', 'the path has no name of this broker');
      else found.push({ rule, place: { mount, kind, base }, rest, pattern });
    }
  }
  if (!isCovered) noteUncovered(given, path, mounts, note);
  return found;
}

function noteUncovered(
  rule: VaultRule,
  path: string,
  mounts: readonly VaultMount[],
  note: Note,
): void {
  if (isOfMount(path, mounts) || path.startsWith('auth/token/')) return;
  const isOfServer = OF_VAULT_ITSELF.test(path);
  const reason = isOfServer
    ? 'it is an operation of the server: see the roles of operators'
    : 'no mount of --mounts covers the path';
  note(rule, 'not granted', reason);
}

const VERSION_PATHS = /^(?:delete|undelete|destroy|subkeys|config)(?:\/|$|\*)/;

/** Reports whether the path is one of a mount that needs no rule: the versions of KV version 2 belong to `write`. */
function isOfMount(path: string, mounts: readonly VaultMount[]): boolean {
  return mounts.some(
    ({ name, engine }) =>
      engine === 'kv-v2' &&
      path.startsWith(`${name}/`) &&
      VERSION_PATHS.test(path.slice(name.length + 1)),
  );
}

/** The pattern for the names below a place; undefined if a segment cannot be a name here. `x/*` is every name below `x`, and not `x` itself. */
function patternOf(rest: string, prefix: string): string | undefined {
  const segments = rest.split('/');
  const last = segments.pop() ?? '';
  const isGlob = last.endsWith('*');
  const end = isGlob ? last.slice(0, -1) : last;
  // A path that ends in a slash is a folder: its names are the next segment.
  const tail = isGlob ? [`${end}*`, '**'] : last === '' ? ['*'] : [last];
  const own = [...segments, ...(end === '' ? [] : [end])];
  if (!own.every((segment) => SEGMENT.test(segment))) return undefined;
  const translated = [...segments, ...tail].map((segment) => (segment === '+' ? '*' : segment));
  return [...(prefix === '' ? [] : [prefix]), ...translated].join('/');
}

/** The capabilities of this broker that a rule gives, in full. What it gives in part is a difference. */
function capabilitiesOf(placed: Placed, note: Note): readonly Capability[] {
  const { rule, place, rest } = placed;
  const { capabilities, restrictions } = rule;
  if (capabilities.includes('deny') || capabilities.length === 0) return [];
  if (restrictions.length > 0) {
    note(rule, 'not granted', `${restrictions.join(', ')} cannot be expressed`);
    return [];
  }
  const has = (word: string): boolean => capabilities.includes(word);
  if (place.kind === 'metadata') {
    if (!rest.endsWith('*') && has('list'))
      note(rule, 'narrower', 'the list of the folder has no folders: they need rights below them');
    return has('list') || (has('read') && !FOLDER.test(rest)) ? ['list'] : [];
  }
  const words = OF_PLACE[place.kind].filter((word) => word !== 'write' && has(word));
  return mayWrite(placed, note) ? [...words, 'write'] : words;
}

/** Reports whether a rule gives every kind of write, which is one capability here. */
function mayWrite({ rule, place }: Placed, note: Note): boolean {
  if (!OF_PLACE[place.kind].includes('write')) return false;
  const { capabilities } = rule;
  const isWhole = WRITES.every((word) => capabilities.includes(word));
  const isWriting = [...WRITES, 'patch'].some((word) => capabilities.includes(word));
  if (isWhole && place.kind === 'data')
    note(rule, 'wider', '"write" also restores and destroys versions, and writes custom metadata');
  if (isWriting && !isWhole)
    note(rule, 'not granted', `"write" needs ${WRITES.join(', ')}; the rule has a part of them`);
  return isWhole;
}

/** Capabilities that a place can give at all. A rule that lacks another one takes nothing away there. */
const OF_PLACE: Readonly<Record<Place['kind'], readonly Capability[]>> = {
  data: ['read', 'write'],
  metadata: ['list'],
  value: ['read', 'list', 'write'],
  creds: ['read'],
  'static-creds': ['read'],
};

/**
 * Reports whether a rule without a capability must deny it. At Vault only the rule with the highest rank decides on a path, so a rule takes away what a
 * rule of lower rank gives. Here a deny wins over every allow, also over those of higher rank: that is narrower.
 */
function mustDeny(
  each: Placed,
  capability: Capability,
  all: readonly Placed[],
  note: Note,
): boolean {
  if (!OF_PLACE[each.place.kind].includes(capability)) return false;
  // A name also stands for its folder when it is listed.
  const formsOf = (rest: string): readonly string[] =>
    capability === 'list' ? [rest, `${rest}/`] : [rest];
  const giving = all.filter(
    (other) =>
      other !== each &&
      other.place.base === each.place.base &&
      formsOf(other.rest).some((one) => formsOf(each.rest).some((rest) => overlaps(one, rest))) &&
      capabilitiesOf(other, () => undefined).includes(capability),
  );
  const isTaken = giving.some(({ rule }) => outranks(each.rule.path, rule.path));
  const higher = isTaken ? giving.filter(({ rule }) => outranks(rule.path, each.rule.path)) : [];
  for (const { rule } of higher)
    note(rule, 'narrower', `"${capability}" is denied by the rule of "${each.rule.path}"`);
  return isTaken;
}

function add(
  target: Map<string, Set<Capability>>,
  patterns: readonly string[],
  capability: Capability,
): void {
  for (const pattern of patterns)
    target.set(pattern, (target.get(pattern) ?? new Set()).add(capability));
}

/** Rules with at most as many paths as a rule may have, one for each set of capabilities. */
function rulesOf(
  effect: PolicyRule['effect'],
  patterns: ReadonlyMap<string, ReadonlySet<Capability>>,
  conditions: PolicyRule['conditions'],
): readonly PolicyRule[] {
  const byWords = new Map<string, string[]>();
  for (const [pattern, held] of patterns) {
    const words = OURS.filter((each) => held.has(each)).join('-');
    byWords.set(words, [...(byWords.get(words) ?? []), pattern]);
  }
  return [...byWords].flatMap(([words, paths]) =>
    Array.from({ length: Math.ceil(paths.length / MOST_PATHS) }, (_, index) => ({
      name: `${effect}-${words}${index === 0 ? '' : `-${index + 1}`}`,
      effect,
      paths: paths.slice(index * MOST_PATHS, (index + 1) * MOST_PATHS),
      capabilities: words.split('-') as Capability[],
      ...(conditions && { conditions }),
    })),
  );
}

function documentOf(role: VaultRole, cluster: string, rules: readonly PolicyRule[]): object {
  const { name, namespaces, serviceAccounts, policies } = role;
  return {
    apiVersion: 'quaymaster.dev/v1',
    kind: 'AccessPolicy',
    metadata: {
      name: name.toLowerCase().replaceAll(/[^a-z0-9.-]+/g, '-'),
      description: `Kubernetes auth role ${name}; policies ${policies.join(', ')}`,
    },
    spec: { subjects: [{ clusters: [cluster], namespaces, serviceAccounts }], rules },
  };
}
