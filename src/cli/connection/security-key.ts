import { randomId } from '../../crypto/random/random.ts';
import type { components } from '../../client/index.ts';
import { askLine } from '../input/ask.ts';
import type { Broker } from './broker.ts';
import { Listener, showInBrowser } from './browser.ts';
import type { Call, CliContext } from './context.ts';
import { EXIT, Failed } from '../kernel/errors.ts';

type Order = components['schemas']['SecurityKeyOrder'];
type Key = components['schemas']['SecurityKey'];

type Context = Pick<CliContext, 'output' | 'signal' | 'environment' | 'stdin'>;

export interface KeyUse {
  readonly order: Order;
  /** True if the browser is on another device, which does not reach this one. */
  readonly onOtherDevice: boolean;
}

export async function runAddKey(
  context: CliContext,
  { args: [label = ''], options }: Call<{ readonly device?: boolean }>,
): Promise<void> {
  const { login } = (await context.target()).profile;
  const onOtherDevice = options.device ?? (login.kind === 'operator' && login.device === true);
  const order = { purpose: 'register', label } as const;
  const key = await useSecurityKey(context, await context.broker(), { order, onOtherDevice });
  await context.output.show(key, () => `registered the key ${key.id} ("${key.label}")`);
}

/** Asks the person to prove a key, if that is the person's second factor. */
export async function proveKey(
  context: Context,
  broker: Pick<Broker, 'call'>,
  onOtherDevice: boolean,
): Promise<'proven' | 'not_needed' | 'no_key'> {
  const { items, secondFactor } = (await broker.call('listSecurityKeys')).body;
  if (secondFactor !== 'webauthn') return 'not_needed';
  if (items.length === 0) return 'no_key';
  await useSecurityKey(context, broker, { order: { purpose: 'prove' }, onOtherDevice });
  return 'proven';
}

/**
 * Asks the person to register or prove a security key on the page of the broker. Only this terminal gets the answer of the key,
 * and sends it on.
 */
async function useSecurityKey(
  context: Context,
  broker: Pick<Broker, 'call'>,
  { order, onOtherDevice }: KeyUse,
): Promise<Key> {
  const { body: begun } = await broker.call('beginSecurityKey', { body: order });
  const text = await (onOtherDevice ? byPaste(context, begun) : byBrowser(context, begun));
  const body = answerOf(text);
  return (await broker.call('finishSecurityKey', { body })).body;
}

type Begun = components['schemas']['BegunSecurityKey'];

async function byBrowser({ output, signal, environment }: Context, begun: Begun): Promise<string> {
  const listener = await Listener.open();
  try {
    const state = randomId('state');
    const port = Number(new URL(listener.redirectUri).port);
    const address = addressOf(begun, { port, state });
    output.note(`Use your security key at:\n${address}`);
    showInBrowser(address, environment.browser);
    const { query, show } = await listener.answer(state, signal);
    await show('You can close this window.');
    return new URLSearchParams(query).get('answer') ?? '';
  } finally {
    listener.close();
  }
}

async function byPaste(context: Context, begun: Begun): Promise<string> {
  context.output.note(`Open on the device that has your security key:\n${addressOf(begun, {})}`);
  return askLine(context, 'Paste the text that the page shows');
}

/** Builds the address. Browsers do not send the part behind `#`. It contains no token. */
function addressOf(begun: Begun, back: object): string {
  const { address, purpose, challenge, rpId, person, userId, algorithms, credentials } = begun;
  const order = { purpose, challenge, rpId, person, userId, algorithms, credentials, ...back };
  const text = Buffer.from(JSON.stringify(order)).toString('base64url');
  return `${address}#${text}`;
}

function answerOf(text: string): components['schemas']['SecurityKeyAnswer'] {
  try {
    return JSON.parse(
      Buffer.from(text.trim(), 'base64url').toString(),
    ) as components['schemas']['SecurityKeyAnswer'];
  } catch {
    throw new Failed('this is not the text that the page shows; run the command again', EXIT.usage);
  }
}
