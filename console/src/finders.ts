import { call, Refusal } from './client.ts';
import { workloadPath } from './format.ts';
import { kindOf, listDocuments } from './kinds.ts';
import { loadPeople } from './people.ts';
import { to } from './router.ts';
import { onSignOut } from './session.ts';

/** A name that a person may look for, and the view that shows it. */
export interface Found {
  readonly kind: string;
  readonly name: string;
  readonly href: string;
}

type Finder = () => Promise<readonly Found[]>;

const PAGE = 1_000;
/** Entries that are shown for an id. */
const ENTRIES = 5;
const DIGEST = /^sha256:[0-9a-f]{64}$/;
/** The filter of the log for an id, by its prefix. */
const FILTERS: Readonly<Record<string, string>> = {
  lea: 'lease',
  ses: 'session',
  tok: 'token',
  cred: 'credential',
  req: 'requestId',
};

/** Requests and refusals of one session. */
interface Asked {
  /** Lists that the broker refused: the session gets no further role, so they are not asked again. */
  readonly refused: Set<Finder>;
  /** Requests without an answer yet, which later searches share. */
  readonly pending: Map<Finder, ReturnType<Finder>>;
}

function nothingAsked(): Asked {
  return { refused: new Set(), pending: new Map() };
}

let asked = nothingAsked();
onSignOut(() => (asked = nothingAsked()));

/** Asks all finders. A list that is refused, or that has nothing of this name, gives nothing: its view says why. */
async function ask(finders: readonly Finder[]): Promise<readonly Found[]> {
  return (await Promise.all(finders.map(askOne))).flat();
}

function askOne(find: Finder): ReturnType<Finder> {
  const { refused, pending } = asked;
  if (refused.has(find)) return Promise.resolve([]);
  const answer =
    pending.get(find) ??
    find()
      .catch((thrown: unknown) => {
        if (Refusal.from(thrown).status === 403) refused.add(find);
        return [];
      })
      .finally(() => pending.delete(find));
  pending.set(find, answer);
  return answer;
}

const LISTS: readonly Finder[] = [
  () => findSecrets(),
  async () => {
    const { items } = await call('listSessions', { query: { limit: PAGE } });
    const workloads = new Set(items.map(({ workload }) => workload));
    const pods = new Map(
      items.flatMap(({ pod, workload }) =>
        pod === undefined ? [] : [[pod.name, at('pod', pod.name, workloadHref(workload))]],
      ),
    );
    return [
      ...[...workloads].map((name) => at('workload', name, workloadHref(name))),
      ...pods.values(),
    ];
  },
  async () => {
    const { items } = await call('listAlerts', { query: { limit: 100 } });
    return items.map(({ id, rule }) => at('alert', `${rule} ${id}`, to(`/incidents/${id}`)));
  },
  async () => {
    const { items } = await listDocuments(kindOf('policy'), {});
    return items.map(({ name }) => at('policy', name, to(`/documents/policy/${name}`)));
  },
  async () => {
    const { items } = await listDocuments(kindOf('operator'), {});
    return items.map(({ name }) => at('operator', name, to(`/access/${name}`)));
  },
  () => findImages(),
];

/** The names that the caller may list. */
export function loadNames(): Promise<readonly Found[]> {
  return ask(LISTS);
}

/** A shorter text, unless it is a number, is looked for among the listed names only. */
const SHORTEST = 2;

/** Looks a text up: a secret beyond the listed ones, a person, or what has this id, number or digest. */
export function lookUp(text: string): Promise<readonly Found[]> {
  const prefix = /^([a-z]{2,8})_[\w-]+$/.exec(text)?.[1] ?? '';
  const filter = FILTERS[prefix];
  if (filter !== undefined)
    return ask([
      () => findEntries(filter, text),
      ...(filter === 'lease' ? [() => findLease(text)] : []),
    ]);
  if (/^\d+$/.test(text)) return ask([() => findEntry(text)]);
  if (DIGEST.test(text)) return ask([() => findImages(text)]);
  if (text.length < SHORTEST) return Promise.resolve([]);
  return ask([findPeople, ...(text.includes('/') ? [() => findSecrets(text)] : [])]);
}

/** The people of the newest logins: one search of the log for all texts of an open dialog. */
let people: ReturnType<typeof loadPeople> | undefined;

export function forgetPeople(): void {
  people = undefined;
}

async function findPeople(): Promise<readonly Found[]> {
  people ??= loadPeople();
  const href = (operator: string): string => to('/audit', { operator });
  return (await people).map(({ name }) => at('person', name, href(name)));
}

function at(kind: string, name: string, href: string): Found {
  return { kind, name, href };
}

function workloadHref(workload: string): string {
  return to(`/workloads/${workloadPath(workload)}`);
}

async function findSecrets(prefix?: string): Promise<readonly Found[]> {
  const query = { limit: PAGE, ...(prefix !== undefined && { prefix }) };
  const { items } = await call('listSecrets', { query });
  return items.map(({ path }) => at('secret', path, to(`/secrets/${path}`)));
}

/** Images of which the broker has a report or a signature. */
async function findImages(image?: string): Promise<readonly Found[]> {
  const [evidence, attestations] = await Promise.all([
    call('listEvidence', { query: { limit: PAGE, ...(image !== undefined && { image }) } }),
    call('listAttestations', {
      query: { limit: PAGE, ...(image !== undefined && { digest: image }) },
    }),
  ]);
  const digests = [
    ...evidence.items.flatMap((each) => each.digests),
    ...attestations.items.map(({ digest }) => digest),
  ].filter((digest) => DIGEST.test(digest) && (image === undefined || digest === image));
  return [...new Set(digests)].map((digest) =>
    at('image', digest, to('/posture', { image: digest })),
  );
}

async function findEntry(index: string): Promise<readonly Found[]> {
  await call('proveEntry', { path: { index: Number(index) } });
  return [at('entry', index, to(`/audit/${index}`))];
}

async function findEntries(filter: string, id: string): Promise<readonly Found[]> {
  const { items } = await call('searchAudit', { query: { [filter]: id, limit: ENTRIES } });
  return items.map(({ index, entry }) => {
    const { action = '' } = entry as { readonly action?: string };
    return at('entry', `${index} ${action} ${id}`, to(`/audit/${index}`));
  });
}

async function findLease(id: string): Promise<readonly Found[]> {
  const { path } = await call('readLease', { path: { id } });
  return [at('lease', `${path} ${id}`, to('/leases', { path }))];
}
