import { confirm } from '../ask.ts';
import type { Call, CliContext } from '../context.ts';
import { defined } from '../defined.ts';
import { UsageError } from '../errors.ts';
import { fields } from '../output/table.ts';
import { readSecretData } from './secret-values.ts';

interface PutOptions {
  readonly fromJson?: string;
  readonly ifVersion?: string;
  readonly create?: boolean;
}

/** Writes a new version with exactly the given keys. */
export async function runPut(
  context: CliContext,
  { args: [path = '', ...words], options }: Call<PutOptions>,
): Promise<void> {
  const { fromJson, ifVersion, create } = options;
  if (create === true && ifVersion !== undefined) {
    throw new UsageError(
      '--create is for a secret that does not exist, --if-version for one that does; use one of them',
    );
  }
  const data = await readSecretData(context, 'put', words, fromJson);
  const { body } = await (
    await context.broker()
  ).call('writeSecret', {
    path: { path },
    body: { data },
    headers: {
      ...(create === true && { 'If-None-Match': '*' as const }),
      ...(ifVersion !== undefined && { 'If-Match': `"${ifVersion}"` }),
    },
  });
  await context.output.show(body, () =>
    fields([
      ['path', body.path],
      ['version', body.version],
    ]),
  );
}

interface RemoveOptions {
  readonly versions?: string;
  readonly ifVersion?: string;
  readonly yes?: boolean;
}

/** Permanently deletes a secret, or destroys some of its versions. */
export async function runRm(
  context: CliContext,
  { args: [path = ''], options }: Call<RemoveOptions>,
): Promise<void> {
  const { versions, ifVersion, yes } = options;
  const what = versions === undefined ? path : `versions ${versions} of ${path}`;
  await confirm(context, (url) => `Permanently delete ${what} at ${url}`, yes);
  await (
    await context.broker()
  ).call('destroySecret', {
    path: { path },
    query: defined({ versions }),
    headers: ifVersion === undefined ? {} : { 'If-Match': `"${ifVersion}"` },
  });
  await context.output.say(`permanently deleted ${what}`);
}
