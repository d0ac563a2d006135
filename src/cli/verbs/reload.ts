import type { components } from '../../client/index.ts';
import type { CliContext } from '../connection/context.ts';
import { printable, printableYaml } from '../output/printable.ts';
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

/** Prints the settings that the broker uses. */
export async function runConfigShow(context: CliContext): Promise<void> {
  const { body } = await (await context.broker()).call('readConfiguration');
  const settings = await printableYaml(body.settings ?? {});
  await context.output.show(body, () => settings.trimEnd());
}
