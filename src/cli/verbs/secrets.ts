import { confirm } from '../ask.ts';
import { collect } from '../collect.ts';
import type { Call, CliContext } from '../context.ts';
import { defined } from '../defined.ts';
import { table } from '../output/table.ts';

/** Names below a prefix, never values. */
export async function runLs(
  { broker, output }: CliContext,
  { args: [prefix] }: Call<object>,
): Promise<void> {
  const query = defined({ prefix, limit: 1000 });
  const items = await collect((await broker()).pages('listSecrets', { query }));
  await output.show({ items }, () =>
    table(
      ['path', 'version'],
      items.map(({ path, version }) => [path, version]),
    ),
  );
}

export async function runVersions(
  { broker, output }: CliContext,
  { args: [path = ''] }: Call<object>,
): Promise<void> {
  const { body } = await (await broker()).call('listSecretVersions', { path: { path } });
  await output.show(body, () =>
    table(
      ['version', 'state', 'created', 'by', 'destroyed'],
      body.items.map((each) => [
        each.version,
        each.state,
        each.createdAt,
        each.createdBy,
        each.destroyedAt,
      ]),
    ),
  );
}

interface RemoveOptions {
  readonly versions?: string;
  readonly ifVersion?: string;
  readonly yes?: boolean;
}

/** Deletes a secret, or destroys versions of it, for good. */
export async function runRm(
  context: CliContext,
  { args: [path = ''], options }: Call<RemoveOptions>,
): Promise<void> {
  const { versions, ifVersion, yes } = options;
  const what = versions === undefined ? path : `versions ${versions} of ${path}`;
  await confirm(context, `destroy ${what} for good`, yes);
  await (
    await context.broker()
  ).call('destroySecret', {
    path: { path },
    query: defined({ versions }),
    headers: ifVersion === undefined ? {} : { 'If-Match': `"${ifVersion}"` },
  });
  await context.output.say(`destroyed ${what}`);
}
