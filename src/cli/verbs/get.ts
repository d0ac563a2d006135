import type { components } from '../../client/index.ts';
import type { Call, CliContext } from '../connection/context.ts';
import { defined } from '../kernel/defined.ts';
import { EXIT, exitCodeOfStatus, Failed, UsageError, type ExitCode } from '../kernel/errors.ts';
import { isVariableName, quoteDotenv } from '../../domain/text/dotenv.ts';
import { printableText } from '../output/printable.ts';
import { fields, table } from '../output/table.ts';
import { explainMissingVersion } from './missing-version.ts';
import type { SecretValue } from '../input/secret-values.ts';

type Disclosure = components['schemas']['Disclosure'];
type FailedItem = components['schemas']['FailedItem'];

/** Replaces a value that is not to be shown. The length is always the same, because the length of a short secret helps to guess it. */
const MASK = '[masked]';

interface GetOptions {
  readonly key?: string;
  readonly reveal?: boolean;
  readonly version?: string;
  readonly reason?: string;
}

/** Reads one secret, or several in one call. Values are masked without `--reveal`. */
export async function runGet(
  context: CliContext,
  { args, options }: Call<GetOptions>,
): Promise<ExitCode> {
  const [path = '', ...more] = args;
  if (more.length > 0) return getSeveral(context, args, options);
  const { version, reason } = options;
  const broker = await context.broker();
  const { body } = await broker
    .call('readSecret', { path: { path }, query: defined({ version, reason }) })
    .catch(async (error: unknown) => {
      throw version === undefined
        ? error
        : await explainMissingVersion(broker, path, [version], error);
    });
  if (context.output.format === 'dotenv') await showDotenv(context, [body], options);
  else if (options.key !== undefined) await showKey(context, body, options.key, options.reveal);
  else await showDisclosure(context, body, options.reveal);
  return EXIT.done;
}

/** A secret with its version and lease. Values are masked unless `reveal` is set. */
export async function showDisclosure(
  { output, clock }: CliContext,
  body: Disclosure,
  reveal = false,
): Promise<void> {
  const data = reveal ? body.data : masked(body.data);
  await output.show({ ...body, data }, () =>
    [
      fields(
        [
          ['path', body.path],
          ['version', body.version],
          ['created', body.createdAt],
          ['stale', body.stale],
          ['lease', body.lease?.id],
          ['expires', body.lease?.endsAt],
        ],
        clock.now(),
      ),
      '',
      table(
        ['key', 'value'],
        Object.entries(data).map(([key, value]) => [key, textOf(value)]),
      ),
    ].join('\n'),
  );
}

/** One value for scripts: text as it is, bytes as bytes. A terminal gets escapes instead of characters that it would interpret. */
async function showKey(
  { output }: CliContext,
  { data, path }: Disclosure,
  key: string,
  reveal = false,
): Promise<void> {
  if (!Object.hasOwn(data, key)) throw new Failed(`${path} has no key ${key}`, EXIT.notFound);
  if (!reveal) throw new UsageError('--key prints the value itself; add --reveal');
  const value = data[key] as SecretValue;
  if (output.format !== 'table') await output.show(value, () => '');
  else if (output.isTerminal) await output.say(textOf(value));
  else if (typeof value !== 'string') await output.raw(Buffer.from(value.base64, 'base64'));
  else await output.raw(value);
}

async function getSeveral(
  { broker, output }: CliContext,
  paths: readonly string[],
  { key, reveal = false, version, reason }: GetOptions,
): Promise<ExitCode> {
  if (key !== undefined || version !== undefined) {
    throw new UsageError('--key and --version need exactly one path');
  }
  const body = { items: paths.map((path) => ({ path })), ...defined({ reason }) };
  const answer = await (await broker()).call('readSecrets', { body });
  if (output.format === 'dotenv') {
    await showDotenv({ output }, disclosed(answer.body.items), { reveal });
    return EXIT.done;
  }
  const items = answer.body.items.map((item) =>
    'error' in item ? item : { ...item, data: reveal ? item.data : masked(item.data) },
  );
  await output.show({ items }, () =>
    table(['path', 'version', 'key', 'value'], items.flatMap(rowsOf)),
  );
  const failed = items.find((item): item is FailedItem => 'error' in item);
  return failed === undefined ? EXIT.done : exitCodeOfStatus(failed.error.status);
}

/** All keys of the secrets as lines of a `.env` file. @throws Failed for what such a file cannot hold */
async function showDotenv(
  { output }: Pick<CliContext, 'output'>,
  secrets: readonly Pick<Disclosure, 'path' | 'data'>[],
  { reveal = false, key }: GetOptions,
): Promise<void> {
  if (!reveal) throw new UsageError('--output dotenv prints the values themselves; add --reveal');
  if (key !== undefined) throw new UsageError('--key prints one value; leave out --output dotenv');
  const lines = new Map<string, string>();
  for (const { path, data } of secrets) {
    for (const [name, value] of Object.entries(data)) {
      const why = dotenvProblem(name, value, lines);
      if (why !== undefined) throw new Failed(`${path}: the key ${name} ${why}`);
      lines.set(name, `${name}=${quoteDotenv(value as string)}\n`);
    }
  }
  await output.lines([...lines.values()].join(''));
}

function dotenvProblem(
  name: string,
  value: SecretValue,
  lines: ReadonlyMap<string, string>,
): string | undefined {
  if (!isVariableName(name)) return 'cannot be the name of a variable';
  if (typeof value !== 'string') return 'holds bytes, which a .env file cannot hold';
  return lines.has(name) ? 'is also a key of another of these secrets' : undefined;
}

/** @throws Failed for the first secret that cannot be read */
export function disclosed(items: readonly (Disclosure | FailedItem)[]): readonly Disclosure[] {
  return items.map((item) => {
    if (!('error' in item)) return item;
    const { code, title, detail, status, requestId } = item.error;
    const text = `${code}: ${item.path}: ${detail ?? title}\n  request ${requestId}`;
    throw new Failed(printableText(text), exitCodeOfStatus(status));
  });
}

function rowsOf(item: Disclosure | FailedItem): readonly (readonly unknown[])[] {
  if ('error' in item) return [[item.path, '-', '-', item.error.code]];
  return Object.entries(item.data).map(([key, value]) => [
    item.path,
    item.version,
    key,
    textOf(value),
  ]);
}

function masked(data: Disclosure['data']): Record<string, string> {
  return Object.fromEntries(Object.keys(data).map((key) => [key, MASK]));
}

function textOf(value: SecretValue): string {
  return typeof value === 'string' ? value : `base64:${value.base64}`;
}
