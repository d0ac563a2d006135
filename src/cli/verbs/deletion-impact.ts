import { ApiError, type components, type PagedId } from '../../client/index.ts';
import { isUnder } from '../../domain/words/names.ts';
import { allPages, callWith, type Broker, type LooseInput } from '../connection/broker.ts';
import { countText } from '../connection/count-text.ts';
import { counted } from '../kernel/count.ts';
import type { DocumentWord } from '../documents/kinds.ts';
import { literalPart } from '../documents/policy-references.ts';

type Names = readonly [one: string, many: string];

const LEASES: Names = ['live lease', 'live leases'];
const ROTATIONS: Names = ['rotating path', 'rotating paths'];
const SECRETS: Names = ['secret', 'secrets'];

/** Members of a document that name objects which depend on it. */
interface Body {
  readonly prefix?: string;
  readonly spec?: {
    readonly rules?: readonly { readonly effect: string; readonly paths: readonly string[] }[];
  };
}

/** Counts the objects that the deletion of a document affects: the text above the question. */
export async function affectedByDocument(
  broker: Broker,
  word: DocumentWord,
  name: string,
  body: object,
): Promise<string> {
  const { prefix = '', spec } = body as Body;
  switch (word) {
    case 'mount':
      return `no longer served: ${await joined([
        countItems(broker, 'listSecrets', { prefix }, SECRETS),
        rotatingBelow(broker, prefix),
        countItems(broker, 'listLeases', { mount: name, state: 'live' }, LEASES),
      ])}`;
    case 'cluster':
      return `its workloads can no longer log in, and lose their access: ${await joined([
        countItems(broker, 'listSessions', { cluster: name }, ['open session', 'open sessions']),
      ])}`;
    case 'operator':
      return `no longer accepted: ${await joined([countTokens(broker, name)])}`;
    case 'role-binding':
      return 'people and workloads lose the roles that no other role binding gives them, at once';
    case 'posture-profile':
      return 'pods that only this profile refused get secrets again, at once';
    case 'response-rule':
      return 'alerts that only this rule answered are recorded without a response, at once';
    case 'policy':
      return policyText(broker, spec?.rules ?? []);
    case 'definition':
      return `no longer rotated by this definition: ${await joined([rotatingBelow(broker, name)])}`;
  }
}

/** Counts the objects that the deletion of a secret affects. */
export async function affectedByDeletion(broker: Broker, path: string): Promise<string> {
  return affectedBySecret(
    broker,
    path,
    describeVersions(broker, path, (kept) => {
      const readable = kept.filter(({ state }) => state !== 'deleted');
      return counted(readable.length, 'version');
    }),
  );
}

/** Counts the objects that the destruction of a secret, or of some of its versions, affects. */
export async function affectedByDestruction(
  broker: Broker,
  path: string,
  chosen: readonly string[] | undefined,
): Promise<string> {
  return affectedBySecret(
    broker,
    path,
    describeVersions(broker, path, (kept) => {
      const doomed = kept.filter(({ version }) => chosen?.includes(version) ?? true);
      const deleted = doomed.filter(({ state }) => state === 'deleted').length;
      const part = chosen === undefined ? '' : `${doomed.length} of `;
      const restorable = deleted === 0 ? '' : ` (${deleted} of them could still be restored)`;
      const isAbsentThen = chosen !== undefined && doomed.some(({ state }) => state === 'current');
      const end = isAbsentThen ? ', the current one included: the secret is absent then' : '';
      return `${part}${counted(kept.length, 'version')}${restorable}${end}`;
    }),
  );
}

async function affectedBySecret(
  broker: Broker,
  path: string,
  versions: Promise<string>,
): Promise<string> {
  return `affected: ${await joined([
    versions,
    countItems(broker, 'listLeases', { path, state: 'live' }, LEASES),
    rotatingBelow(broker, path),
  ])}`;
}

async function policyText(
  broker: Broker,
  rules: NonNullable<NonNullable<Body['spec']>['rules']>,
): Promise<string> {
  const allowing = rules.filter(({ effect }) => effect === 'allow');
  const places = new Set(allowing.flatMap(({ paths }) => paths.map(literalPart)));
  const below = [...places].filter((place) => place !== '');
  const leases = below.map(
    async (path) =>
      `${await countItems(broker, 'listLeases', { path, state: 'live' }, LEASES)} below ${path}`,
  );
  const denying = rules.length - allowing.length;
  const widens = denying === 0 ? '' : '; without its deny rules other policies may allow more';
  const counts = [
    counted(allowing.length, 'allow rule'),
    counted(denying, 'deny rule'),
    ...(await Promise.all(leases)),
  ];
  return `no longer applied: ${counts.join(', ')}${widens}`;
}

async function joined(counts: readonly Promise<string>[]): Promise<string> {
  return (await Promise.all(counts)).join(', ');
}

async function countItems(
  broker: Broker,
  id: PagedId,
  query: LooseInput['query'],
  names: Names,
): Promise<string> {
  const text = await countText(broker, id, query, names);
  return text === names[1] ? unknownCount(names) : text;
}

function unknownCount([, many]: Names): string {
  return `an unknown number of ${many}`;
}

function counting(names: Names, count: () => Promise<number>): Promise<string> {
  return unlessDenied(names, async () => counted(await count(), ...names));
}

/** A caller that may not list something is asked without its count. */
async function unlessDenied(names: Names, text: () => Promise<string>): Promise<string> {
  try {
    return await text();
  } catch (error) {
    if (error instanceof ApiError && error.status === 403) return unknownCount(names);
    throw error;
  }
}

function rotatingBelow(broker: Broker, prefix: string): Promise<string> {
  return counting(ROTATIONS, async () => {
    const rotations = await allPages(broker, 'listRotations', { query: { limit: 1000 } });
    return rotations.filter(({ path }) => isUnder(path, prefix)).length;
  });
}

function countTokens(broker: Broker, name: string): Promise<string> {
  return counting(['token', 'tokens'], async () => {
    const { body } = await callWith(broker, 'listOperatorTokens', { path: { name } });
    return body.items.length;
  });
}

type Version = components['schemas']['SecretVersionInfo'];

/** A text about the versions that are not destroyed. */
function describeVersions(
  broker: Broker,
  path: string,
  textOf: (kept: readonly Version[]) => string,
): Promise<string> {
  return unlessDenied(['version', 'versions'], async () => {
    const { body } = await callWith(broker, 'listSecretVersions', { path: { path } });
    return textOf(body.items.filter(({ state }) => state !== 'destroyed'));
  });
}
