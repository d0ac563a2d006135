import type { CliContext } from '../context.ts';

/** The last signed tree head, as it is: to be kept elsewhere. */
export async function runCheckpoint({ broker, output }: CliContext): Promise<void> {
  const { body } = await (await broker()).call('readCheckpoint');
  await output.show({ checkpoint: body }, () => body);
}

export async function runLogKey({ broker, output }: CliContext): Promise<void> {
  const { body } = await (await broker()).call('readLogKey');
  await output.show({ logKey: body.trim() }, () => body);
}
