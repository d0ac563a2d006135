import type { ItemOf } from '../../../client/contract-types.ts';
import type { components } from '../../../ports/openapi/api.ts';
import { counted } from '../../kernel/count.ts';
import { accounts, broadPolicies, listener, type Finding } from '../findings.ts';
import { allItems, type Source } from '../source.ts';
import { surveyPods, type Surveyed } from '../survey-pods.ts';
import { unusedGrants } from '../unused-grants.ts';
import type { CheckResult } from './check-result.ts';
import { coverageOf, gate, type Coverage } from './coverage.ts';

/** Subject and period of a report. */
export interface Question {
  readonly source: Source;
  /** The address of the broker. */
  readonly url: string;
  /** The beginning of the period, as the API writes it. */
  readonly from: string;
  /** `--since` as it was given, for the commands that show the same. */
  readonly since: string;
  /** The time now, in milliseconds since the epoch. */
  readonly now: number;
}

/** Facts that the checks read, each once. */
export interface Facts extends Question {
  readonly pods: () => Promise<readonly Surveyed[]>;
  readonly profiles: () => Promise<readonly ItemOf<'listPostureProfiles'>[]>;
  readonly coverage: Coverage;
  readonly status: () => Promise<components['schemas']['BrokerStatus']>;
}

const MOST_EXAMPLES = 10;
const DAY_MS = 86_400_000;
const YEAR_MS = 365 * DAY_MS;

/** Profile with every check that a report needs, and no more: what is unknown does not count as a finding. */
const SURVEY = {
  mode: 'audit',
  onUnknown: 'allow',
  pod: {
    securityStandard: { level: 'restricted', version: 'latest' },
    ephemeralContainers: 'deny',
    defaultServiceAccount: 'deny',
    serviceAccountToken: 'deny',
    secretsInEnvironment: 'deny',
    networkPolicy: 'required',
  },
  image: { digest: 'pinned' },
};

export function factsOf(question: Question): Facts {
  const { source } = question;
  return {
    ...question,
    pods: once(() => surveyPods(source, SURVEY)),
    profiles: once(() => allItems(source, 'listPostureProfiles')),
    coverage: coverageOf(source),
    status: once(() => source.call('readStatus')),
  };
}

function once<T>(read: () => Promise<T>): () => Promise<T> {
  let found: Promise<T> | undefined;
  return () => (found ??= read());
}

type Check = (facts: Facts) => Promise<CheckResult>;
type Found = Partial<CheckResult> & Pick<CheckResult, 'state' | 'text'>;

function result(query: string, found: Found): CheckResult {
  const { examples = [], entries = [] } = found;
  return { query, entries, ...found, examples: examples.slice(0, MOST_EXAMPLES) };
}

/** Passes if no pod that holds a session has one of the findings, and the broker knows all of them. */
function pods(codes: readonly string[], what: string, of?: RegExp): Check {
  return async (facts) => {
    const all = await facts.pods();
    const query = 'quaymaster posture survey FILE';
    if (all.length === 0)
      return result(query, { state: 'not-applicable', text: 'no pod holds a session' });
    const found = all.map((surveyed) => {
      const findings = surveyed.findings.filter(
        ({ code, message }) => codes.includes(code) && (of === undefined || of.test(message)),
      );
      const failure = findings.find(({ status }) => status === 'fail');
      return { ...surveyed, failure, isUnknown: !surveyed.known || findings.length > 0 };
    });
    const failing = found.filter(({ failure }) => failure !== undefined);
    const unknown = found.filter(({ failure, isUnknown }) => failure === undefined && isUnknown);
    const unseen = unknown.length === 0 ? '' : `; the broker cannot tell for ${unknown.length}`;
    return result(query, {
      state: failing.length > 0 ? 'fail' : unknown.length > 0 ? 'not-assessed' : 'pass',
      text: `${counted(failing.length, 'pod')} of ${all.length} with a session ${what}${unseen}`,
      examples: failing.map(
        ({ workload, pod, failure }) => `${workload} ${pod.name}: ${failure?.message ?? ''}`,
      ),
    });
  };
}

/** A check of the Pod Security Standards, by its name at the end of the message. */
const standard = (names: string, what: string): Check =>
  pods(['pod_security'], what, new RegExp(`: (?:${names})\\)$`));

function fromFindings(query: string, findings: readonly Finding[]): CheckResult {
  const failing = findings.filter(({ state }) => state === 'problem' || state === 'warning');
  const [first] = findings;
  const about = first?.about ?? '';
  if (failing.length > 0) {
    const examples = failing.map(({ text }) => text);
    return result(query, {
      state: 'fail',
      text: `${about}: ${failing.length} with problems`,
      examples,
    });
  }
  const state = first?.state === 'ok' ? 'pass' : 'not-assessed';
  return result(query, { state, text: `${about}: ${first?.text ?? ''}` });
}

interface TokenHolder {
  readonly name: string;
  readonly isAdmin: boolean;
}

/** Operators with a token that has not expired. An operator without one cannot log in. */
async function liveTokens({ source, now }: Question): Promise<readonly TokenHolder[]> {
  const operators = await allItems(source, 'listOperators');
  const holders = await Promise.all(
    operators.map(async ({ name }) => {
      const { items } = await source.call('listOperatorTokens', { path: { name } });
      const live = items.filter(({ endsAt }) => Date.parse(endsAt) > now);
      const grants = live.flatMap(({ carries }) => carries);
      return {
        name,
        isLive: live.length > 0,
        isAdmin: grants.some(({ role }) => role === 'admin'),
      };
    }),
  );
  return holders.filter(({ isLive }) => isLive);
}

const percent = (part: number, all: number): number => Math.round((100 * part) / all);

/** Entries of the log in the period, newest first: the count up to a thousand, and the newest as evidence. */
async function searchPeriod(
  { source, from }: Facts,
  query: Readonly<Record<string, string>>,
): Promise<{
  readonly count: number;
  readonly isMore: boolean;
  readonly entries: readonly number[];
  readonly items: readonly ItemOf<'searchAudit'>[];
}> {
  const asked = { query: { ...query, from, limit: 1000 } };
  const { items, next } = await source.call('searchAudit', asked);
  const entries = items.slice(0, MOST_EXAMPLES).map(({ index }) => index);
  return { count: items.length, isMore: next !== undefined, entries, items };
}

/** Passes with the entries as evidence: an auditor reads them. If there is none, the log shows nothing about the control. */
function history(
  query: Readonly<Record<string, string>>,
  [one, many]: readonly [string, string],
): Check {
  return async (facts) => {
    const { count, isMore, entries } = await searchPeriod(facts, query);
    const options = Object.entries(query).map(([name, value]) => `--${name} ${value}`);
    const found = `${isMore ? 'more than ' : ''}${counted(count, one, many)} since ${facts.from.slice(0, 10)}`;
    return result(`quaymaster audit search ${options.join(' ')} --since ${facts.since}`, {
      state: count === 0 ? 'not-assessed' : 'pass',
      text: count === 0 ? found : `${found}; the log says who, when and why`,
      entries,
    });
  };
}

/** The checks, by the name that the controls use. */
export const CHECKS = {
  secrets_not_in_environment: pods(['secret_in_environment'], 'have a secret in their environment'),
  own_service_account: pods(['default_service_account'], 'run as the service account "default"'),
  no_api_token: pods(['service_account_token'], 'have a token of the Kubernetes API mounted'),
  pinned_images: pods(['image_not_pinned'], 'run an image that is not pinned to a digest'),
  no_ephemeral_containers: pods(['ephemeral_container'], 'have an ephemeral container'),
  restricted_pods: pods(['pod_security'], 'violate the Pod Security Standard "restricted"'),
  not_privileged: standard('privileged', 'have a privileged container'),
  no_host_namespaces: standard('hostNamespaces', 'share a namespace of the host'),
  no_escalation: standard('allowPrivilegeEscalation', 'allow privilege escalation'),
  not_root: standard('runAsNonRoot|runAsUser', 'may run as root'),
  few_capabilities: standard('capabilities\\w*', 'keep or add capabilities'),
  no_host_process: standard('windowsHostProcess', 'have a HostProcess container'),
  no_host_path: standard(
    'hostPathVolumes|restrictedVolumes',
    'mount a volume of the host, or of another type that is not allowed',
  ),
  no_host_ports: standard('hostPorts', 'use a port of the host'),
  seccomp: standard('seccompProfile\\w*', 'have no seccomp profile'),

  named_namespaces: async ({ pods: read }) => {
    const all = await read();
    const failing = all.flatMap(({ workload, pod }) =>
      workload.split('/')[3] === 'default' ? [`${workload} ${pod.name}`] : [],
    );
    return result('quaymaster session ls', {
      state: all.length === 0 ? 'not-applicable' : failing.length === 0 ? 'pass' : 'fail',
      text: `${counted(failing.length, 'pod')} of ${all.length} with a session in the namespace "default"`,
      examples: failing,
    });
  },

  network_policies: pods(['network_policy'], 'have no NetworkPolicy for their egress'),

  image_trust: gate('names registries or demands signatures'),
  vulnerability_gate: gate('denies images with critical vulnerabilities'),
  posture_gate: gate('demands a Pod Security Standard'),

  narrow_policies: async ({ source }) => {
    const policies = await allItems(source, 'listPolicies');
    const query = 'quaymaster doctor';
    return policies.length === 0
      ? result(query, { state: 'not-applicable', text: 'there is no policy' })
      : fromFindings(query, await broadPolicies(source));
  },
  admins: async ({ source }) => fromFindings('quaymaster doctor', await accounts(source)),
  tls: ({ url }) => Promise.resolve(fromFindings('quaymaster doctor', [listener(url)])),

  used_grants: async ({ source, from, since }) => {
    const { grants, unused } = await unusedGrants(source, { from });
    return result(`quaymaster policy unused --since ${since}`, {
      state: grants === 0 ? 'not-applicable' : unused.length === 0 ? 'pass' : 'fail',
      text: `${unused.length} of ${counted(grants, 'grant')} not used since ${from.slice(0, 10)}`,
      examples: unused.map(({ policy, rule, path }) => `${policy}, ${rule}: ${path}`),
    });
  },

  external_storage: async (facts) => {
    const { entries, items } = await searchPeriod(facts, { action: 'secret.read', outcome: 'ok' });
    const places = items.map(({ entry }) => String(entry['locator']));
    const inCluster = places.filter((place) => place.startsWith('kubernetes:'));
    const query = `quaymaster audit search --action secret.read --since ${facts.since}`;
    if (places.length === 0)
      return result(query, {
        state: 'not-assessed',
        text: `no secret was read since ${facts.from.slice(0, 10)}`,
      });
    return result(query, {
      state: inCluster.length === 0 ? 'pass' : 'fail',
      text: `${inCluster.length} of the newest ${counted(places.length, 'read')} came from Secret objects of a cluster; the log records each`,
      examples: [...new Set(inCluster)],
      entries,
    });
  },

  rotation: async (facts) => {
    const { source } = facts;
    const definitions = await allItems(source, 'listDefinitions');
    const rotating = new Set(
      definitions.filter(({ document }) => document.rotation !== undefined).map(({ name }) => name),
    );
    const secrets = await allItems(source, 'listSecrets');
    const without = secrets.map(({ path }) => path).filter((path) => !rotating.has(path));
    const list = async (query: object): Promise<readonly string[]> =>
      (await allItems(source, 'listRotations', { query })).map(({ path }) => path);
    const late = [...(await list({ overdue: true })), ...(await list({ state: 'parked' }))];
    const ended = await searchPeriod(facts, { action: 'rotation.end', outcome: 'ok' });
    const done = ended.items.filter(({ entry }) => entry['cause'] === 'done');
    const isBad = without.length + late.length > 0;
    const state = isBad ? 'fail' : done.length === 0 ? 'not-assessed' : 'pass';
    return result('quaymaster ls; quaymaster rotate ls --overdue', {
      state: secrets.length === 0 ? 'not-applicable' : state,
      text: `${secrets.length - without.length} of ${counted(secrets.length, 'secret')} rotate; ${late.length} overdue or parked; ${counted(done.length, 'rotation')} done since ${facts.from.slice(0, 10)}`,
      examples: [...late, ...without],
      entries: done.slice(0, MOST_EXAMPLES).map(({ index }) => index),
    });
  },

  strong_login: async (facts) => {
    const all = await allItems(facts.source, 'listRoleBindings');
    const bindings = all.flatMap(({ name, document }) =>
      'workloads' in document ? [] : [{ name, ...document }],
    );
    const weak = bindings
      .filter(({ acr = [], amr = [] }) => acr.length + amr.length === 0)
      .map(({ name }) => `role binding "${name}" demands neither acr nor amr`);
    const tokens = await liveTokens(facts);
    const admins = tokens
      .filter(({ isAdmin }) => isAdmin)
      .map(({ name }) => `operator "${name}" has a token of the role admin, which is for people`);
    const strong = bindings.length - weak.length;
    const share = bindings.length === 0 ? '' : ` (${percent(strong, bindings.length)} %)`;
    const names = tokens.map(({ name }) => name).join(', ');
    return result('quaymaster role-binding ls; quaymaster operator ls', {
      state:
        weak.length + admins.length > 0
          ? 'fail'
          : tokens.length > 0 || bindings.length === 0
            ? 'not-assessed'
            : 'pass',
      text: [
        `${strong} of ${counted(bindings.length, 'role binding')} of people${share} prove a second factor`,
        ...(tokens.length === 0
          ? []
          : [
              `${counted(tokens.length, 'operator')} with a live token, which proves none: ${names}; the broker does not know whether machines or people use them`,
            ]),
      ].join('; '),
      examples: [...weak, ...admins],
    });
  },

  two_persons: async ({ source }) => {
    const { required } = await source.call('listApprovals');
    return result('quaymaster approval ls', {
      state: required.includes('admin') ? 'pass' : 'fail',
      text: required.includes('admin')
        ? `another admin must approve grants of ${required.join(', ')}`
        : 'one admin alone may grant admin: quaymaster approval require on',
    });
  },

  log_intact: async ({ status, now }) => {
    const { entries, brokenChains, damagedEntries, checkedAt } = (await status()).log;
    const broken = brokenChains + damagedEntries;
    const done = checkedAt === undefined ? 0 : Date.parse(checkedAt);
    const isOld = now - done > 8 * DAY_MS;
    return result('quaymaster audit verify EXPORT', {
      state: broken > 0 ? 'fail' : isOld ? 'not-assessed' : 'pass',
      text: `${entries} entries, ${broken} do not verify; the broker last checked the whole log: ${checkedAt ?? 'not yet in this process'}`,
    });
  },

  log_witnessed: async ({ status }) => {
    const { witnesses, unwitnessedSeconds: behind } = (await status()).log;
    return result('quaymaster status', {
      state: witnesses.length === 0 ? 'not-assessed' : behind > 900 ? 'fail' : 'pass',
      text:
        witnesses.length === 0
          ? 'no witness is configured, so no one outside confirms the log'
          : `${counted(witnesses.length, 'witness', 'witnesses')}; the newest entries have waited ${behind} s for a cosignature`,
    });
  },

  log_delivered: async ({ status }) => {
    const { sinks } = (await status()).log;
    const bad =
      sinks.filter(({ stopped }) => stopped).length + sinks.filter(({ failing }) => failing).length;
    return result('quaymaster status', {
      state: sinks.length === 0 || bad > 0 ? 'fail' : 'pass',
      text: `${counted(sinks.length, 'sink')} outside the broker, ${bad} stopped or failing`,
    });
  },

  log_retained: async ({ source, status, now }) => {
    const { entries, archivedEntries } = (await status()).log;
    const to = new Date(now - YEAR_MS).toISOString();
    const { items } = await source.call('searchAudit', { query: { to, limit: 1 } });
    const [old] = items;
    const archived =
      archivedEntries === 0 ? '' : `, of which ${archivedEntries} are in the archive`;
    return result(`quaymaster audit search --to ${to}`, {
      state: old === undefined ? 'not-assessed' : 'pass',
      text: `${entries} entries${archived}; ${old === undefined ? 'the live log has none' : 'the live log has some'} from before ${to.slice(0, 10)}`,
      entries: old === undefined ? [] : [old.index],
    });
  },

  keys: async ({ source }) => {
    const { keys, keks } = await source.call('readKeys');
    const failing = keks.filter(({ problem }) => problem !== undefined);
    const compromised = keys.filter(({ state }) => state === 'compromised');
    const bad = [
      ...failing.map(({ id, problem }) => `key-encryption key ${id}: ${problem ?? ''}`),
      ...compromised.map(({ id }) => `root key ${id} is compromised and still needed`),
    ];
    const active = keys.find(({ state }) => state === 'active');
    return result('quaymaster keys status', {
      state:
        bad.length > 0
          ? 'fail'
          : active === undefined || keks.length === 0
            ? 'not-assessed'
            : 'pass',
      text: `secrets are encrypted under ${counted(keys.length, 'root key')}, wrapped by ${counted(keks.length, 'key-encryption key')}; the active one is from ${active?.createdAt.slice(0, 10) ?? 'an unknown day'}`,
      examples: bad,
    });
  },

  backups: async ({ source, now }) => {
    const items = await listBackups(source);
    const newest = items
      .map(({ createdAt }) => createdAt)
      .toSorted()
      .at(-1);
    const isOld = newest === undefined || now - Date.parse(newest) > 7 * DAY_MS;
    return result('quaymaster backup ls', {
      state: isOld ? 'fail' : 'pass',
      text:
        newest === undefined
          ? 'there is no backup'
          : `the newest of ${counted(items.length, 'backup')} is from ${newest.slice(0, 10)}`,
    });
  },

  changes: history({ action: 'document.write' }, ['change of a document', 'changes of documents']),
  refusals: history({ outcome: 'deny' }, ['refused request', 'refused requests']),
  quarantines: history({ action: 'quarantine.create' }, ['quarantine', 'quarantines']),
  logins: history({ action: 'session.create' }, ['login of a workload', 'logins of workloads']),
} as const satisfies Readonly<Record<string, Check>>;

/** Lists the backups. Without a section "backup" in the configuration there is none. */
async function listBackups(source: Source): Promise<readonly ItemOf<'listBackups'>[]> {
  try {
    return (await source.call('listBackups')).items;
  } catch (error) {
    if (source.refusalOf(error)?.code === 'ERR_CONFLICT') return [];
    throw error;
  }
}

export type CheckName = keyof typeof CHECKS;

/** Assesses a check. If the caller may not see its facts, it is not assessed; other errors end the report. */
export async function assess(name: CheckName, facts: Facts): Promise<CheckResult> {
  try {
    return await CHECKS[name](facts);
  } catch (error) {
    const refusal = facts.source.refusalOf(error);
    if (refusal === undefined) throw error;
    return { state: 'not-assessed', text: refusal.text, examples: [], query: '', entries: [] };
  }
}
