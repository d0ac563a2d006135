import type { components } from '../../client/index.ts';
import { confirm } from '../connection/confirm.ts';
import type { Call, CliContext } from '../connection/context.ts';
import { EXIT, type ExitCode } from '../kernel/errors.ts';
import { fields, table } from '../output/table.ts';

type Status = components['schemas']['KeyStatus'];
type Exposed = NonNullable<NonNullable<Status['rewrap']>['exposed']>;

const PAUSE_MS = 1_000;

export async function runKeysStatus(context: CliContext): Promise<ExitCode> {
  const { body } = await (await context.broker()).call('readKeys');
  await context.output.show(body, () => textOf(body));
  return EXIT.done;
}

interface RotateOptions {
  readonly reason: string;
  readonly compromised?: boolean;
  readonly yes?: boolean;
}

/** Starts a rotation, and follows it to its end. */
export async function runKeysRotate(
  context: CliContext,
  { options: { reason, compromised = false, yes } }: Call<RotateOptions>,
): Promise<ExitCode> {
  const what = compromised
    ? 'Replace the root key, and encrypt every value again under a new data key'
    : 'Replace the root key, and rewrap everything under it';
  await confirm(context, (url) => `${what}, at ${url}`, yes);
  await (await context.broker()).call('rotateKeys', { body: { reason, compromised } });
  return runKeysRewrap(context);
}

/** Polls until no row needs an older root key. */
export async function runKeysRewrap(context: CliContext): Promise<ExitCode> {
  const { output, clock, signal } = context;
  const client = await context.broker();
  let status: Status = (await client.call('readKeys')).body;
  while (status.rotating) {
    output.progress(progressOf(status));
    await clock.sleep(PAUSE_MS, signal);
    status = (await client.call('readKeys')).body;
  }
  output.endProgress();
  await output.show(status, () => textOf(status));
  return EXIT.done;
}

/** Retires a key-encryption key. When it is done, no data remain that only this key opens. */
export async function runRetireKek(
  context: CliContext,
  { args: [kek = ''], options: { reason, yes } }: Call<Omit<RotateOptions, 'compromised'>>,
): Promise<void> {
  await confirm(context, (url) => `Remove all that ${kek} wraps, at ${url}`, yes);
  const { body } = await (await context.broker()).call('retireKek', { body: { kek, reason } });
  await context.output.show(body, () => textOf(body));
}

function progressOf({ keys, rewrap }: Status): string {
  if (keys.some(({ state }) => state === 'pending' || state === 'replacing'))
    return 'waiting until every broker has read the new root key';
  const left = keys
    .filter(({ state }) => state !== 'active')
    .reduce((sum, { versions }) => sum + versions, 0);
  const place = rewrap?.table === undefined ? '' : ` in ${rewrap.table}`;
  return `${rewrap?.rewrapped ?? 0} rows rewrapped${place}, ${left} data keys left`;
}

function textOf({ keys, keks, rewrap, rotating }: Status): string {
  const parts = [
    table(
      ['root key', 'state', 'created', 'seals', 'data keys', 'wrapped by'],
      keys.map((key) => [
        key.id,
        key.state,
        key.createdAt,
        key.seals ?? 'not counted',
        key.versions,
        key.keks.join(', '),
      ]),
    ),
    table(
      ['key-encryption key', 'configured', 'state'],
      keks.map(({ id, configured, problem }) => [id, configured, problem ?? 'ok']),
    ),
    fields([
      ['rotation', rotating ? 'in progress' : 'none in progress'],
      ['rows rewrapped', rewrap?.rewrapped],
      ['values encrypted again', rewrap?.reencrypted],
      ['finished', rewrap?.finishedAt],
    ]),
  ];
  if (rewrap?.exposed !== undefined) parts.push(exposedText(rewrap.exposed));
  return parts.join('\n\n');
}

/** Describes what a copy of the store, with the old keys, still opens: a rotation of keys cannot change that. */
function exposedText({ before, values, paths, credentials, issued }: Exposed): string {
  const more = values - paths.length;
  const moreIssued = credentials - issued.length;
  return [
    `A copy of the store from before ${before} still opens with the old root key.`,
    `It has ${values} values that are current, and ${credentials} dynamic credentials. Change the values at their source:`,
    ...paths.map((path) => `  ${path}`),
    ...(more > 0 ? [`  and ${more} more`] : []),
    ...(credentials > 0
      ? ['Revoke the leases of the credentials with "quaymaster lease revoke":']
      : []),
    ...issued.map(({ lease, path }) => `  ${lease}  ${path}`),
    ...(moreIssued > 0 ? [`  and ${moreIssued} more`] : []),
  ].join('\n');
}
