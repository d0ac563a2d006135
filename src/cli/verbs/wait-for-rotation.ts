import type { components } from '../../client/index.ts';
import type { Broker } from '../broker.ts';
import type { CliContext } from '../context.ts';
import { EXIT, type ExitCode } from '../exit-codes.ts';
import { fields } from '../output/table.ts';

type Rotation = components['schemas']['Rotation'];
type State = Rotation['state'];

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 10_000;

/** Follows a rotation to its end, or until it needs somebody. Ctrl-C ends the waiting and not the rotation. @returns 1 for an end that was not wanted */
export async function waitForEnd(
  { output, clock, signal }: CliContext,
  broker: Broker,
  begun: Rotation,
  wanted: readonly State[],
): Promise<ExitCode> {
  output.note(`${begun.kind} ${begun.id} goes on at the broker, also when this stops waiting`);
  let now = begun;
  let pause = FIRST_PAUSE_MS;
  while (now.state === 'running' || now.state === 'undoing') {
    output.progress(`${now.path}: ${now.step}`);
    await clock.sleep(pause, signal);
    const next = await lookUp(broker, now);
    const isFurther = next.step !== now.step;
    if (isFurther) sayWhatItWaitsFor(output, next);
    if (next.attempts !== now.attempts || isFurther) sayWhatFailed(output, next);
    // Each look is an entry of the log: what stays where it is, is looked at more seldom.
    pause = isFurther ? FIRST_PAUSE_MS : Math.min(pause * 2, LONGEST_PAUSE_MS);
    now = next;
  }
  output.endProgress();
  await output.show(now, () =>
    fields([
      ['id', now.id],
      ['path', now.path],
      ['state', now.state],
      ['step', now.state === 'parked' ? now.step : undefined],
      ['version', now.version],
      ['last error', now.lastError],
    ]),
  );
  if (now.state === 'parked') sayWhatToDo(output, now);
  return wanted.includes(now.state) ? EXIT.done : EXIT.failed;
}

/** As it is under way, or as it ended. */
async function lookUp(broker: Broker, { id, path }: Rotation): Promise<Rotation> {
  const { active } = (await broker.call('readRotation', { path: { path } })).body;
  if (active?.id === id) return active;
  for await (const rotation of broker.pages('readRotationHistory', { path: { path } })) {
    if (rotation.id === id) return rotation;
  }
  throw new TypeError('a rotation that was begun is not in the history');
}

function sayWhatItWaitsFor(
  output: CliContext['output'],
  { path, state, step, settlesUntil }: Rotation,
): void {
  if (state !== 'running' || step !== 'settle' || settlesUntil === undefined) return;
  output.note(
    `${path} waits until its holders have moved on, at the latest until ${settlesUntil}; who they are: quaymaster rotate status ${path}`,
  );
}

function sayWhatFailed(
  output: CliContext['output'],
  { path, state, step, attempts, lastError, nextAttemptAt }: Rotation,
): void {
  if (state === 'parked' || attempts === 0 || lastError === undefined) return;
  if (nextAttemptAt === undefined) return;
  output.note(`${path}: ${step} failed (${lastError}); it is tried again at ${nextAttemptAt}`);
}

function sayWhatToDo(output: CliContext['output'], { path }: Rotation): void {
  output.note(
    [
      `it waits for somebody: the page of its rotator (docs/rotators) says what the error means`,
      `  what the target accepts now: quaymaster rotate status ${path}`,
      `  when the cause is removed:   quaymaster rotate retry ${path}`,
      `  to give it up:               quaymaster rotate abort ${path}`,
    ].join('\n'),
  );
}
