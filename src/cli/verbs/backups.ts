import type { components } from '../../client/index.ts';
import type { CliContext } from '../connection/context.ts';
import { EXIT, type ExitCode } from '../kernel/errors.ts';
import { fields } from '../output/table.ts';

type Run = components['schemas']['BackupRun'];

const PAUSE_MS = 1_000;
/** Answers without the run, after which it counts as lost: another broker of the store gives them, or one that restarted. */
const MOST_UNKNOWN = 60;

/** Starts a backup, or joins the one in progress, and polls it until it is finished. @returns 1 if it failed */
export async function runBackupCreate({
  broker,
  output,
  clock,
  signal,
}: CliContext): Promise<ExitCode> {
  const client = await broker();
  let run: Run = (await client.call('createBackup')).body;
  const { startedAt } = run;
  for (let unknown = 0; run.state === 'running' && unknown < MOST_UNKNOWN;) {
    output.progress(progressOf(run));
    await clock.sleep(PAUSE_MS, signal);
    const { body } = await client.call('listBackups');
    const [newest] = body.items;
    if (body.run?.startedAt === startedAt) run = body.run;
    else if (newest !== undefined && newest.createdAt >= startedAt)
      run = { ...run, state: 'done', backup: newest };
    else unknown += 1;
  }
  output.endProgress();
  await output.show(run, () =>
    fields([
      ['backup', run.backup?.name],
      ['state', run.state],
      ['step', run.state === 'done' ? undefined : run.step],
      ['bytes', run.backup?.bytes],
      ['entries', run.backup?.entries],
      ['error', run.error],
    ]),
  );
  return run.state === 'done' ? EXIT.done : EXIT.failed;
}

function progressOf({ step, done, total }: Run): string {
  if (step === 'copy' && total > 0) return `copy: ${Math.floor((done / total) * 100)} %`;
  if (step === 'copy' && done > 0) return `copy: ${done} rows`;
  return step === 'encrypt' ? `encrypt: ${done} bytes` : step;
}
