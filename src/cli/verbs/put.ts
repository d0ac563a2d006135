import type { Call, CliContext } from '../context.ts';
import { fields } from '../output/table.ts';
import { UsageError } from '../usage-error.ts';
import { readAssignments, readJsonData } from './secret-values.ts';

interface PutOptions {
  readonly fromJson?: string;
  readonly ifVersion?: string;
  readonly create?: boolean;
}

/** Writes a new version with exactly the keys that are given. */
export async function runPut(
  context: CliContext,
  { args: [path = '', ...words], options }: Call<PutOptions>,
): Promise<void> {
  const { fromJson, ifVersion, create } = options;
  if ((words.length === 0) === (fromJson === undefined)) {
    throw new UsageError('put needs either KEY=@FILE (or KEY=-) or --from-json FILE');
  }
  if (create === true && ifVersion !== undefined) {
    throw new UsageError(
      '--create is for what is not there yet, --if-version for what is: not both',
    );
  }
  const data =
    fromJson === undefined
      ? await readAssignments(context, words)
      : await readJsonData(context, fromJson);
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
