import { ApiError } from '../../client/index.ts';
import type { Call, CliContext } from '../connection/context.ts';
import { defined } from '../kernel/defined.ts';
import { EXIT, Failed, UsageError } from '../kernel/errors.ts';
import { fields, table } from '../output/table.ts';

interface DescribeOptions {
  readonly remove?: readonly string[];
  readonly replace?: true;
  readonly ifMetadata?: string;
}

/** Shows the custom metadata of a secret, or changes it. */
export async function runDescribe(
  context: CliContext,
  { args: [path = '', ...words], options }: Call<DescribeOptions>,
): Promise<void> {
  const { remove = [], replace, ifMetadata } = options;
  const customMetadata = entriesOf(words, remove);
  const isChange = Object.keys(customMetadata).length > 0 || replace === true;
  if (isChange) return change(context, path, { customMetadata, replace, ifMetadata });
  if (ifMetadata !== undefined)
    throw new UsageError('--if-metadata is for a change: name a KEY=VALUE, --remove or --replace');
  return show(context, path);
}

/** @throws UsageError for a word without `=`, and for a key that is named twice */
function entriesOf(
  words: readonly string[],
  removed: readonly string[],
): Readonly<Record<string, string | null>> {
  const entries = new Map<string, string | null>();
  const add = (key: string, value: string | null): void => {
    if (entries.has(key)) throw new UsageError(`the key ${key} is given twice`);
    entries.set(key, value);
  };
  for (const word of words) {
    const [, key, value] = /^([^=]+)=(.+)$/s.exec(word) ?? [];
    if (key === undefined || value === undefined)
      throw new UsageError(
        `${word}: must be KEY=VALUE, such as owner=pay; to remove a key: --remove`,
      );
    add(key, value);
  }
  for (const key of removed) add(key, null);
  return Object.fromEntries(entries);
}

interface Change {
  readonly customMetadata: Readonly<Record<string, string | null>>;
  readonly replace: true | undefined;
  readonly ifMetadata: string | undefined;
}

async function change(
  context: CliContext,
  path: string,
  { customMetadata, replace, ifMetadata }: Change,
): Promise<void> {
  const broker = await context.broker();
  const { body } = await broker
    .call('describeSecret', {
      path: { path },
      body: { customMetadata, ...defined({ replace }) },
      headers: preconditionOf(ifMetadata),
    })
    .catch((error: unknown) => {
      if (!(error instanceof ApiError) || error.code !== 'ERR_VERSION_CONFLICT') throw error;
      throw new Failed(
        `the custom metadata of ${path} is not at version ${ifMetadata}; look at it: quaymaster describe ${path}`,
        EXIT.conflict,
      );
    });
  await context.output.show(body, () =>
    fields([
      ['path', body.path],
      ['metadata version', body.metadataVersion],
    ]),
  );
}

/** Version 0 stands for a secret without custom metadata. */
function preconditionOf(version: string | undefined): {
  readonly 'If-Match'?: string;
  readonly 'If-None-Match'?: '*';
} {
  if (version === undefined) return {};
  return version === '0' ? { 'If-None-Match': '*' } : { 'If-Match': `"${version}"` };
}

async function show({ broker, output, clock }: CliContext, path: string): Promise<void> {
  const { body } = await (await broker()).call('listSecretVersions', { path: { path } });
  const { customMetadata } = body;
  if (customMetadata === undefined) {
    await output.show(
      { path, version: 0, entries: {} },
      () => `${path} has no custom metadata; to write it: quaymaster describe ${path} owner=pay`,
    );
    return;
  }
  const { entries, version, updatedAt, updatedBy } = customMetadata;
  await output.show({ path, ...customMetadata }, () =>
    [
      fields(
        [
          ['path', path],
          ['metadata version', version],
          ['changed', updatedAt],
          ['by', updatedBy],
        ],
        clock.now(),
      ),
      table(['key', 'value'], Object.entries(entries)),
    ].join('\n\n'),
  );
}
