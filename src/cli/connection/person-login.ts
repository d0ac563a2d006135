import { ApiError, createLoginKey, type BrokerClient, type LoginKey } from '../../client/index.ts';
import { Listener, showInBrowser } from './browser.ts';
import { openClient } from './connection.ts';
import { credentialOf } from './open-broker.ts';
import type { CliContext } from './context.ts';
import { EXIT, Failed } from '../kernel/errors.ts';
import { MissingKey } from './login-keys.ts';
import { ProfileFiles, type OperatorLogin, type Profile } from './profiles.ts';
import { proveKey } from './security-key.ts';

export interface PersonLoginOptions {
  readonly issuer: string;
  readonly device?: boolean | undefined;
  /** The login must satisfy dangerous operations. */
  readonly stepUp?: boolean | undefined;
}

type Context = Pick<CliContext, 'output' | 'clock' | 'signal' | 'environment'>;

/**
 * Logs a person in at an issuer of the broker, in the browser of this machine or on another device. The session is bound to a new key of this
 * machine, so a copy of the token alone is useless.
 */
export async function logInPerson(
  context: Context,
  client: BrokerClient,
  options: PersonLoginOptions,
): Promise<OperatorLogin> {
  const { keys } = new ProfileFiles(context.environment);
  const key = await createLoginKey();
  // The key is saved first: without it the session could be neither used nor ended.
  await keys.save(key);
  try {
    const { token, endsAt, keyThumbprint } = await (options.device === true
      ? byDevice(context, client, options, key)
      : byBrowser(context, client, options, key));
    if (keyThumbprint !== key.thumbprint) throw notBound();
    const { issuer, device = false } = options;
    return { kind: 'operator', token, endsAt, issuer, ...(device && { device }), keyThumbprint };
  } catch (error) {
    await keys.remove(key.thumbprint);
    throw error;
  }
}

function notBound(): Failed {
  return new Failed(
    'the session is not bound to the key of this machine: a proxy between this machine and the broker removed or replaced it',
    EXIT.failed,
  );
}

interface Finished {
  readonly token: string;
  readonly endsAt: string;
  readonly keyThumbprint?: string;
}

async function byBrowser(
  { output, signal, environment }: Context,
  client: BrokerClient,
  { issuer, stepUp = false }: PersonLoginOptions,
  key: LoginKey,
): Promise<Finished> {
  const keyThumbprint = key.thumbprint;
  const listener = await Listener.open();
  try {
    const { body: begun } = await client.call('beginPersonLogin', {
      body: { issuer, redirectUri: listener.redirectUri, stepUp, keyThumbprint },
    });
    const { address = '' } = begun;
    output.note(`Log in at:\n${address}`);
    showInBrowser(address, environment.browser);
    const state = new URL(address).searchParams.get('state') ?? '';
    const { query: answer, show } = await listener.answer(state, signal);
    try {
      const { body } = await client.as(key.introduced()).call('finishPersonLogin', {
        body: { login: begun.login, answer },
      });
      const login = finished(body);
      await show('You are logged in. You can close this window.');
      return login;
    } catch (error) {
      await show(refusalPage(error));
      throw error;
    }
  } finally {
    listener.close();
  }
}

/** The text that the browser shows after a refused login. */
function refusalPage(error: unknown): string {
  if (!(error instanceof ApiError)) return 'You are not logged in: see the terminal.';
  const { code, title, detail, requestId } = error;
  return `You are not logged in. ${code}: ${detail ?? title}. Request ${requestId}; the terminal says what to do next.`;
}

async function byDevice(
  { output, clock, signal }: Context,
  client: BrokerClient,
  { issuer, stepUp = false }: PersonLoginOptions,
  key: LoginKey,
): Promise<Finished> {
  const keyThumbprint = key.thumbprint;
  const { body: begun } = await client.call('beginPersonLogin', {
    body: { issuer, stepUp, keyThumbprint },
  });
  const { login, until, device } = begun;
  if (device === undefined) throw new Failed('the broker offers no device login', EXIT.failed);
  output.note(
    `Open ${device.verificationUri}\nand enter the code ${device.userCode}\nNever enter a code that another person sent you: it would log in the other machine as you.`,
  );
  while (clock.now() < Date.parse(until)) {
    await clock.sleep(device.intervalSeconds * 1000, signal);
    signal.throwIfAborted();
    const finisher = client.as(key.introduced());
    const answer = await finisher
      .call('finishPersonLogin', { body: { login } })
      .catch((error: unknown) => waitAfter(error, { clock, signal }));
    if (answer !== undefined && 'token' in answer.body) return answer.body;
  }
  throw new Failed('the login was not confirmed in time; run quaymaster login again', EXIT.failed);
}

/** An issuer or broker that cannot answer now does not end a login on another device. */
async function waitAfter(
  error: unknown,
  { clock, signal }: Pick<Context, 'clock' | 'signal'>,
): Promise<undefined> {
  if (!(error instanceof ApiError) || !WAITING.includes(error.status)) throw error;
  await clock.sleep((error.retryAfterSeconds ?? 0) * 1000, signal);
  return undefined;
}

const WAITING: readonly number[] = [429, 503];

function finished(body: Finished | { readonly pending: boolean }): Finished {
  if ('token' in body) return body;
  throw new Failed('the broker did not finish the login', EXIT.failed);
}

/** `no_key`: the person logged in, and must register a security key before dangerous operations. `no_person`: the profile is not a person's. */
export type StepUp = 'done' | 'no_key' | 'no_person';

type PersonContext = Context & Pick<CliContext, 'target' | 'stdin'>;

/**
 * Logs the profile's person in again if the session has ended, or if the broker demands a recent login or a security key.
 * @returns whether the command can be repeated
 */
export async function renewLogin(context: PersonContext, error: unknown): Promise<boolean> {
  // Work in several steps wraps the error of the step that failed.
  const { code, cause } = (error ?? {}) as { readonly code?: unknown; readonly cause?: unknown };
  const reason = code ?? (cause as { readonly code?: unknown } | undefined)?.code;
  if (reason === 'ERR_STEP_UP_REQUIRED') {
    context.output.note('this operation needs a recent login, or your security key');
    return (await stepUp(context)) !== 'no_person';
  }
  if (reason !== 'ERR_UNAUTHENTICATED' && !(error instanceof MissingKey)) return false;
  const person = await findPerson(context);
  if (person === undefined) return false;
  context.output.note('your session has ended: log in again');
  const { profile, profileName, issuer, device } = person;
  const client = await openClient(profile, (text) => context.output.note(text));
  try {
    const login = await logInPerson(context, client, { issuer, device });
    await new ProfileFiles(context.environment).write(profileName, { ...profile, login });
    return true;
  } finally {
    client.close();
  }
}

interface ProfilePerson {
  readonly profile: Profile;
  readonly login: OperatorLogin;
  readonly profileName: string;
  readonly issuer: string;
  readonly device: boolean;
}

/** The person of the profile; undefined if the profile is not a person's. */
async function findPerson({
  target,
}: Pick<CliContext, 'target'>): Promise<ProfilePerson | undefined> {
  const { profile, profileName } = await target();
  const { login } = profile;
  if (login.kind !== 'operator' || login.issuer === undefined || profileName === undefined) {
    return undefined;
  }
  return { profile, login, profileName, issuer: login.issuer, device: login.device === true };
}

/** Lets the profile's person prove a security key, or log in again at the issuer, so that dangerous operations are allowed. */
export async function stepUp(context: PersonContext): Promise<StepUp> {
  const person = await findPerson(context);
  if (person === undefined) return 'no_person';
  const { profile, profileName, login, issuer, device } = person;
  const client = await openClient(profile, (text) => context.output.note(text));
  try {
    const older = await credentialOf(login, context.environment).then(
      (credential) => client.as(credential),
      () => undefined,
    );
    const proven = older && (await proveKey(context, older, device).catch(afterEnd));
    if (proven === 'proven') return 'done';
    const renewed = await logInPerson(context, client, { issuer, device, stepUp: true });
    const files = new ProfileFiles(context.environment);
    await files.write(profileName, { ...profile, login: renewed });
    // The older session is not needed any more. If it cannot be ended, it ends by itself.
    await older?.call('endOwnLogin').catch(() => undefined);
    const current = client.as(await credentialOf(renewed, context.environment));
    const proof = await proveKey(context, current, device);
    return proof === 'no_key' ? 'no_key' : 'done';
  } finally {
    client.close();
  }
}

/** A session that has ended proves no key: the person logs in again first. */
function afterEnd(error: unknown): undefined {
  if (error instanceof ApiError && error.code === 'ERR_UNAUTHENTICATED') return undefined;
  throw error;
}
