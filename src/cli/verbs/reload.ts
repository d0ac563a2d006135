import type { components } from '../../client/index.ts';
import type { CliContext } from '../run/context.ts';
import { printable } from '../output/printable.ts';
import { fields } from '../output/table.ts';

export type ConfigurationInUse = components['schemas']['ConfigurationInUse'];

/** Makes the broker use its configuration file as it is now. */
export async function runReload(context: CliContext): Promise<void> {
  const { body } = await (await context.broker()).call('reloadConfiguration');
  await context.output.show(body, () =>
    fields([
      ['generation', body.generation],
      ['loaded', body.loadedAt],
      ['digest', printable(body.digest)],
    ]),
  );
}
