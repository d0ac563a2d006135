import { confirm } from '../connection/confirm.ts';
import { affectedByDeletion, affectedByDestruction } from './deletion-impact.ts';
import type { Call, CliContext } from '../connection/context.ts';
import { defined } from '../kernel/defined.ts';
import { explainMissingVersion } from './missing-version.ts';
import { fields } from '../output/table.ts';
import { distance } from '../kernel/time.ts';

interface RemoveOptions {
  readonly ifVersion?: string;
  readonly yes?: boolean;
}

/** Deletes a secret, which `undelete` can restore for some time. */
export async function runRm(
  context: CliContext,
  { args: [path = ''], options }: Call<RemoveOptions>,
): Promise<void> {
  const { ifVersion, yes } = options;
  const broker = await context.broker();
  await confirm(
    context,
    async (url) => {
      context.output.note(await affectedByDeletion(broker, path));
      return `Delete ${path} at ${url}`;
    },
    yes,
  );
  const { body } = await broker.call('deleteSecret', {
    path: { path },
    headers: ifVersion === undefined ? {} : { 'If-Match': `"${ifVersion}"` },
  });
  const { destroyAt } = body;
  const now = context.clock.now();
  await context.output.show(body, () =>
    destroyAt === undefined
      ? `deleted ${path} permanently: its mount has undeleteWindow 0s`
      : `deleted ${path}; its versions are destroyed ${distance(Date.parse(destroyAt), now)} (${destroyAt})\nto restore it: quaymaster undelete ${path}`,
  );
}

/** Restores a deleted secret. */
export async function runUndelete(
  context: CliContext,
  { args: [path = ''], options }: Call<{ readonly version?: string }>,
): Promise<void> {
  const broker = await context.broker();
  const { body } = await broker.call('undeleteSecret', {
    path: { path },
    body: defined({ version: options.version }),
  });
  await context.output.show(body, () =>
    fields([
      ['path', body.path],
      ['version', body.version],
    ]),
  );
}

interface DestroyOptions extends RemoveOptions {
  readonly versions?: string;
}

/** Destroys a secret or some of its versions permanently, deleted ones included. */
export async function runDestroy(
  context: CliContext,
  { args: [path = ''], options }: Call<DestroyOptions>,
): Promise<void> {
  const { versions, ifVersion, yes } = options;
  const chosen = versions?.split(',');
  const word = chosen?.length === 1 ? 'version' : 'versions';
  const what = chosen === undefined ? path : `${word} ${chosen.join(', ')} of ${path}`;
  const broker = await context.broker();
  await confirm(
    context,
    async (url) => {
      context.output.note(await affectedByDestruction(broker, path, chosen));
      return `Permanently destroy ${what} at ${url}`;
    },
    yes,
  );
  await broker
    .call('destroySecret', {
      path: { path },
      body: chosen === undefined ? {} : { versions: chosen },
      headers: ifVersion === undefined ? {} : { 'If-Match': `"${ifVersion}"` },
    })
    .catch(async (error: unknown) => {
      throw await explainMissingVersion(broker, path, chosen ?? [], error);
    });
  await context.output.say(`permanently destroyed ${what}`);
}
