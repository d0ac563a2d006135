import type { components } from '../../client/index.ts';
import type { Broker } from '../connection/broker.ts';
import type { CliContext } from '../connection/context.ts';
import { EXIT, type ExitCode } from '../kernel/errors.ts';
import { fields } from '../output/table.ts';

type Rotation = components['schemas']['Rotation'];
type State = Rotation['state'];
type Output = CliContext['output'];

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 10_000;

/** Polls a rotation until it finishes or is parked. Ctrl-C stops the polling, not the rotation. @returns 1 if it did not end in a success state */
export async function waitUntilFinished(
  { output, clock, signal }: CliContext,
  broker: Broker,
  started: Rotation,
  successStates: readonly State[],
): Promise<ExitCode> {
  const { kind, id } = started;
  output.note(`${kind} ${id} continues at the broker even if you interrupt this command`);
  let now = started;
  let pause = FIRST_PAUSE_MS;
  while (now.state === 'running' || now.state === 'undoing') {
    output.progress(`${now.path}: ${now.step}`);
    await clock.sleep(pause, signal);
    const next = await poll(broker, now);
    const isFurther = next.step !== now.step;
    if (isFurther) reportSettling(output, next);
    if (next.attempts !== now.attempts || isFurther) reportRetry(output, next);
    // Each poll is an entry of the audit log, so the pause grows while nothing changes.
    pause = isFurther ? FIRST_PAUSE_MS : Math.min(pause * 2, LONGEST_PAUSE_MS);
    now = next;
  }
  output.endProgress();
  const proofs = now.state === 'done' ? await readProofs(broker, now) : [];
  await output.show(now, () =>
    [
      fields([
        ['id', now.id],
        ['path', now.path],
        ['state', now.state],
        ['step', now.state === 'parked' ? now.step : undefined],
        ['version', now.version],
        ['last error', now.lastError],
      ]),
      ...proofs,
    ].join('\n'),
  );
  if (now.state === 'parked') reportParked(output, now);
  return successStates.includes(now.state) ? EXIT.done : EXIT.failed;
}

/** Steps that concern readers. The others concern accounts at the target. */
const OF_READERS: readonly string[] = ['canary', 'promote', 'settle'];

/** Proof that each finished step gives, in the words of the contract of a rotation target. */
const PROOFS: Readonly<Record<string, string>> = {
  set: 'the target has the new credential',
  test: 'a login with the new credential worked, and it may do what the definition demands',
  canary: 'the new version passed the canary',
  promote: 'readers get the new version',
  settle: 'the holders changed to the new version, or the time to change had passed',
  retire: 'the target revoked the old credential',
  discard: 'the target revoked the new credential',
};

/** The steps that finished, and the accounts at the target that they changed and tested. */
async function readProofs(
  broker: Broker,
  { path, steps = [], previousVersion }: Rotation,
): Promise<readonly string[]> {
  const { connection, accounts = [] } = (await broker.call('readRotation', { path: { path } }))
    .body;
  const isShown = (step: string): boolean =>
    OF_READERS.includes(step) ||
    (accounts.length > 0 && (step !== 'retire' || previousVersion !== undefined));
  const done = steps.filter(({ outcome, step }) => outcome === 'done' && isShown(step));
  const where = connection === undefined ? '' : ` at connection "${connection}"`;
  return [
    '',
    'proven:',
    ...done.flatMap(({ step, at }) => {
      const proof = PROOFS[step];
      return proof === undefined ? [] : [`  ${at}  ${step.padEnd(7)}  ${proof}`];
    }),
    `accounts checked: ${accounts.length === 0 ? 'none, because its rotator names none' : accounts.join(', ') + where}`,
  ];
}

/** The rotation while it is in progress, or as it finished. */
async function poll(broker: Broker, { id, path }: Rotation): Promise<Rotation> {
  const { active } = (await broker.call('readRotation', { path: { path } })).body;
  if (active?.id === id) return active;
  for await (const rotation of broker.pages('readRotationHistory', { path: { path } })) {
    if (rotation.id === id) return rotation;
  }
  throw new TypeError('the history does not list a rotation that was started');
}

function reportSettling(output: Output, { path, state, step, settlesUntil }: Rotation): void {
  if (state !== 'running' || step !== 'settle' || settlesUntil === undefined) return;
  output.note(
    `${path}: waiting until all holders use the new version, until ${settlesUntil} at the latest; list them: quaymaster rotate status ${path}`,
  );
}

function reportRetry(
  output: Output,
  { path, state, step, attempts, lastError, nextAttemptAt }: Rotation,
): void {
  if (state === 'parked' || attempts === 0 || lastError === undefined) return;
  if (nextAttemptAt === undefined) return;
  output.note(`${path}: step ${step} failed (${lastError}); next retry at ${nextAttemptAt}`);
}

function reportParked(output: Output, { path, step }: Rotation): void {
  output.note(
    [
      `parked: step ${step} failed and is not retried by itself; the page of its rotator (docs/rotators) explains the error`,
      `  what the target accepts now: quaymaster rotate status ${path}`,
      `  after you fixed the cause:   quaymaster rotate retry ${path}`,
      `  to give up:                  quaymaster rotate abort ${path}`,
    ].join('\n'),
  );
}
