import { ApiError, type components } from '../../client/index.ts';
import type { Call, CliContext } from '../connection/context.ts';
import { defined } from '../kernel/defined.ts';
import { EXIT, Failed, UsageError } from '../kernel/errors.ts';
import { fields } from '../output/table.ts';
import { readSecretData, type ValueFiles } from '../input/secret-values.ts';

export interface NoteOptions {
  readonly comment?: string;
  readonly label?: readonly string[];
}

interface PutOptions extends NoteOptions, ValueFiles {
  readonly ifVersion?: string;
  readonly create?: boolean;
  readonly replace?: boolean;
}

/** Writes a new version with exactly the given keys. */
export async function runPut(
  context: CliContext,
  { args: [path = '', ...words], options }: Call<PutOptions>,
): Promise<void> {
  const { ifVersion, create = false, replace = false } = options;
  if (create && ifVersion !== undefined) {
    throw new UsageError(
      '--create is for a secret that does not exist, --if-version for one that does; use one of them',
    );
  }
  const note = noteOf(options);
  const data = await readSecretData(context, 'put', words, options);
  const broker = await context.broker();
  const { body } = await broker
    .call('writeSecret', {
      path: { path },
      query: { dropKeys: replace ? 'allow' : 'refuse' },
      body: { data, ...note },
      headers: {
        ...(create && { 'If-None-Match': '*' as const }),
        ...(ifVersion !== undefined && { 'If-Match': `"${ifVersion}"` }),
      },
    })
    .catch((error: unknown) => {
      throw explained(error, path, create);
    });
  await showWritten(context, body);
}

/** @throws UsageError for a label without `=` or a repeated one */
export function noteOf({ comment, label = [] }: NoteOptions): {
  readonly comment?: string;
  readonly labels?: Readonly<Record<string, string>>;
} {
  const labels = new Map<string, string>();
  for (const text of label) {
    const [, key, value] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
    if (key === undefined || value === undefined) {
      throw new UsageError(`--label ${text}: must be KEY=VALUE, such as ticket=OPS-7`);
    }
    if (labels.has(key)) throw new UsageError(`--label ${key} is given twice`);
    labels.set(key, value);
  }
  return defined({ comment, labels: labels.size === 0 ? undefined : Object.fromEntries(labels) });
}

/** Adds to a refusal the command that the caller may have meant. */
function explained(error: unknown, path: string, isCreation: boolean): unknown {
  if (!(error instanceof ApiError)) return error;
  const { code, detail, requestId } = error;
  if (code === 'ERR_VERSION_CONFLICT' && isCreation) {
    return new Failed(
      `${path} exists already; leave out --create to write a new version, or change some keys: quaymaster patch ${path}`,
      EXIT.conflict,
    );
  }
  if (code === 'ERR_CONFLICT' && detail?.includes('would drop') === true) {
    return new Failed(
      `${path}: ${detail}\n  request ${requestId}\n  to keep them: quaymaster patch ${path}; to drop them: --replace`,
      EXIT.conflict,
    );
  }
  return error;
}

interface PatchOptions extends NoteOptions, ValueFiles {
  readonly ifVersion?: string;
  readonly remove?: readonly string[];
}

/** Writes a new version with some keys changed; the broker keeps the others. */
export async function runPatch(
  context: CliContext,
  { args: [path = '', ...words], options }: Call<PatchOptions>,
): Promise<void> {
  const { fromJson, fromEnv, ifVersion, remove = [] } = options;
  const note = noteOf(options);
  const setsNothing = words.length === 0 && fromJson === undefined && fromEnv === undefined;
  const values =
    setsNothing && remove.length > 0 ? {} : await readSecretData(context, 'patch', words, options);
  const both = remove.find((key) => Object.hasOwn(values, key));
  if (both !== undefined) throw new UsageError(`key ${both} is both set and removed`);
  const removed = Object.fromEntries(remove.map((key) => [key, null]));
  const broker = await context.broker();
  const { body } = await broker
    .call('patchSecret', {
      path: { path },
      query: { absentKeys: 'refuse' },
      body: { data: { ...values, ...removed }, ...note },
      headers: ifVersion === undefined ? {} : { 'If-Match': `"${ifVersion}"` },
    })
    .catch((error: unknown) => {
      throw explainedPatch(error, path);
    });
  await showWritten(context, body);
}

/** Adds to a refusal the command that lists the keys. */
function explainedPatch(error: unknown, path: string): unknown {
  if (!(error instanceof ApiError) || error.code !== 'ERR_CONFLICT') return error;
  const { detail = '', requestId } = error;
  if (!detail.startsWith('the secret has no key')) return error;
  return new Failed(
    `${path}: ${detail}\n  request ${requestId}\n  to list its keys: quaymaster get ${path}`,
    EXIT.conflict,
  );
}

export async function showWritten(
  { output }: CliContext,
  body: components['schemas']['WrittenSecret'],
): Promise<void> {
  const { path, version, rotates } = body;
  await output.show(body, () =>
    fields([
      ['path', path],
      ['version', version],
    ]),
  );
  if (!rotates) return;
  output.note(
    `${path} rotates: the next rotation replaces this version; see quaymaster rotate status ${path}`,
  );
}
