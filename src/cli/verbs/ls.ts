import { allPages } from '../connection/broker.ts';
import type { Call, CliContext } from '../connection/context.ts';
import { defined } from '../kernel/defined.ts';
import { table } from '../output/table.ts';

/** The most that the API returns in one page. */
const PAGE = 1_000;

/** Lists secrets, or the deleted secrets that can be restored. */
export async function runLs(
  context: CliContext,
  { args: [place], options }: Call<{ readonly deleted?: true }>,
): Promise<void> {
  const { deleted } = options;
  // Listings of other tools take a directory with its slash.
  const prefix = place?.replace(/\/$/, '');
  const query = { ...defined({ prefix, deleted }), limit: PAGE };
  const items = await allPages(await context.broker(), 'listSecrets', { query });
  // Most operators see no decoys, and most installations have none.
  const hasDecoys = items.some(({ decoy }) => decoy);
  const header = [
    'path',
    'version',
    ...(deleted ? ['destroyed'] : []),
    ...(hasDecoys ? ['note'] : []),
  ];
  const cells = items.map(({ path, version, destroyAt, decoy }) => [
    path,
    version,
    ...(deleted ? [destroyAt] : []),
    ...(hasDecoys ? [decoy ? 'decoy' : ''] : []),
  ]);
  if (items.length === 0) {
    const where = prefix === undefined ? '' : ` below ${prefix}`;
    const what =
      deleted === true ? 'deleted secret that you may restore' : 'secret that you may list';
    context.output.note(`no ${what}${where}; mounts: quaymaster mount ls`);
  }
  await context.output.show({ items }, () => table(header, cells, context.clock.now()));
}
