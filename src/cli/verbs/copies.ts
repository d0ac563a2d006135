import { ApiError, type components } from '../../client/index.ts';
import { generatePassword, passwordProblems } from '../../crypto/random/generated-value.ts';
import type { Broker } from '../connection/broker.ts';
import type { Call, CliContext } from '../connection/context.ts';
import { defined } from '../kernel/defined.ts';
import { EXIT, Failed, UsageError, type ExitCode } from '../kernel/errors.ts';
import { keyChanges, keyChangesText } from './key-changes.ts';
import { explainMissingVersion } from './missing-version.ts';
import { noteOf, showWritten, type NoteOptions } from './put.ts';

type Disclosure = components['schemas']['Disclosure'];

interface DiffOptions {
  readonly from?: string;
  readonly to?: string;
}

/** Compares two versions of a secret, or two secrets, by their keys. Values are compared and never shown. @returns 2 if they differ */
export async function runDiff(
  { broker: open, output }: CliContext,
  { args: [path = '', other], options }: Call<DiffOptions>,
): Promise<ExitCode> {
  const broker = await open();
  const fallback = other === undefined ? await previousVersion(broker, path, options) : undefined;
  const before = await read(broker, path, options.from ?? fallback);
  const after = await read(broker, other ?? path, options.to);
  const changes = keyChanges(before.data, after.data);
  const named = ({ path: at, version }: Disclosure) => ({ path: at, version });
  const body = { from: named(before), to: named(after), ...changes };
  await output.show(
    body,
    () =>
      `${before.path} version ${before.version} → ${after.path} version ${after.version}\n${keyChangesText(changes)}`,
  );
  const { added, changed, removed } = changes;
  return added.length + changed.length + removed.length === 0 ? EXIT.done : EXIT.changes;
}

/** The version before the one to compare with. @throws Failed if there is none */
async function previousVersion(
  broker: Broker,
  path: string,
  { from, to }: DiffOptions,
): Promise<string | undefined> {
  if (from !== undefined) return undefined;
  const { body } = await broker.call('listSecretVersions', { path: { path } });
  const readable = body.items.filter(({ state }) => state === 'current' || state === 'previous');
  const at = readable.findIndex(({ version, state }) =>
    to === undefined ? state === 'current' : version === to,
  );
  const before = at === -1 ? undefined : readable[at + 1];
  if (before !== undefined) return before.version;
  throw new Failed(
    `${path} has no readable version before ${to ?? 'the current one'}; list them: quaymaster versions ${path}`,
    EXIT.notFound,
  );
}

async function read(broker: Broker, path: string, version?: string): Promise<Disclosure> {
  const { body } = await broker
    .call('readSecret', { path: { path }, query: defined({ version }) })
    .catch(async (error: unknown) => {
      throw version === undefined
        ? error
        : await explainMissingVersion(broker, path, [version], error);
    });
  return body;
}

interface CopyOptions extends NoteOptions {
  readonly version?: string;
  readonly replace?: boolean;
}

/** Copies all keys of a secret to another path. The values pass through this machine and are not shown. */
export async function runCopy(
  context: CliContext,
  { args: [from = '', to = ''], options }: Call<CopyOptions>,
): Promise<void> {
  const { version, replace = false } = options;
  const note = noteOf(options);
  const broker = await context.broker();
  const { data } = await read(broker, from, version);
  const { body } = await broker
    .call('writeSecret', {
      path: { path: to },
      query: { dropKeys: 'allow' },
      body: { data, ...note },
      headers: replace ? {} : { 'If-None-Match': '*' },
    })
    .catch((error: unknown) => {
      if (replace || !(error instanceof ApiError) || error.code !== 'ERR_VERSION_CONFLICT') {
        throw error;
      }
      throw new Failed(
        `${to} exists already; to see the difference: quaymaster diff ${to} ${from}; to write a new version of it: --replace`,
        EXIT.conflict,
      );
    });
  await showWritten(context, body);
}

interface GenerateOptions extends NoteOptions {
  readonly length?: string;
  readonly alphabet?: string;
}

/** Writes random values under the given keys. They are in no output and in no argument. */
export async function runGenerate(
  context: CliContext,
  { args: [path = '', ...keys], options }: Call<GenerateOptions>,
): Promise<void> {
  const { length, alphabet } = options;
  const note = noteOf(options);
  if (length !== undefined && !/^\d{1,4}$/.test(length)) {
    throw new UsageError(`--length ${length}: must be a number of characters`);
  }
  const spec = {
    ...defined({ alphabet }),
    ...(length !== undefined && { length: Number(length) }),
  };
  const problems = passwordProblems(spec);
  const [problem] = problems;
  if (problem !== undefined) {
    throw new UsageError(`--${problem.pointer.slice(1)} ${problem.message}`);
  }
  const data = Object.fromEntries(keys.map((key) => [key, generatePassword(spec)]));
  const broker = await context.broker();
  const { body } = await broker
    .call('patchSecret', { path: { path }, body: { data, ...note } })
    .catch(async (error: unknown) => {
      if (!(error instanceof ApiError) || error.status !== 404) throw error;
      const headers = { 'If-None-Match': '*' as const };
      return broker.call('writeSecret', { path: { path }, body: { data, ...note }, headers });
    });
  await showWritten(context, body);
}
