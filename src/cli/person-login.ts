import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { bearer, type BrokerClient } from '../client/index.ts';
import { openClient } from './connection.ts';
import type { CliContext } from './context.ts';
import { EXIT, Failed } from './errors.ts';
import { ProfileFiles, type OperatorLogin } from './profiles.ts';

export interface PersonLoginOptions {
  readonly issuer: string;
  readonly device?: boolean | undefined;
  /** The login must satisfy dangerous operations. */
  readonly stepUp?: boolean | undefined;
}

type Context = Pick<CliContext, 'output' | 'clock' | 'signal' | 'environment'>;

/** Logs a person in at an issuer of the broker, in the browser of this machine or on another device. */
export async function logInPerson(
  context: Context,
  client: BrokerClient,
  options: PersonLoginOptions,
): Promise<OperatorLogin> {
  const { token, endsAt } = await (options.device === true
    ? byDevice(context, client, options)
    : byBrowser(context, client, options));
  const { issuer, device = false } = options;
  return { kind: 'operator', token, endsAt, issuer, ...(device && { device }) };
}

interface Finished {
  readonly token: string;
  readonly endsAt: string;
}

async function byBrowser(
  { output, signal, environment }: Context,
  client: BrokerClient,
  { issuer, stepUp = false }: PersonLoginOptions,
): Promise<Finished> {
  const listener = await Listener.open();
  try {
    const { body: begun } = await client.call('beginPersonLogin', {
      body: { issuer, redirectUri: listener.redirectUri, stepUp },
    });
    const { address = '' } = begun;
    output.note(`Log in at:\n${address}`);
    openBrowser(address, environment.browser);
    const answer = await listener.answer(new URL(address).searchParams.get('state') ?? '', signal);
    const { body } = await client.call('finishPersonLogin', {
      body: { login: begun.login, answer },
    });
    return finished(body);
  } finally {
    listener.close();
  }
}

async function byDevice(
  { output, clock, signal }: Context,
  client: BrokerClient,
  { issuer, stepUp = false }: PersonLoginOptions,
): Promise<Finished> {
  const { body: begun } = await client.call('beginPersonLogin', { body: { issuer, stepUp } });
  const { login, until, device } = begun;
  if (device === undefined) throw new Failed('the broker offers no device login', EXIT.failed);
  output.note(`Open ${device.verificationUri}\nand enter the code ${device.userCode}`);
  while (clock.now() < Date.parse(until)) {
    await clock.sleep(device.intervalSeconds * 1000, signal);
    signal.throwIfAborted();
    const { body } = await client.call('finishPersonLogin', { body: { login } });
    if ('token' in body) return body;
  }
  throw new Failed('the login was not confirmed in time; run quaymaster login again', EXIT.failed);
}

function finished(body: Finished | { readonly pending: boolean }): Finished {
  if ('token' in body) return body;
  throw new Failed('the broker did not finish the login', EXIT.failed);
}

const PAGE = '<!doctype html><title>Quaymaster</title><p>You can close this window.';

/** Waits on a port of 127.0.0.1 for the browser that the issuer redirects (RFC 8252 §7.3). */
class Listener {
  readonly redirectUri: string;
  readonly #server: ReturnType<typeof createServer>;

  private constructor(server: ReturnType<typeof createServer>) {
    this.#server = server;
    this.redirectUri = `http://127.0.0.1:${(server.address() as AddressInfo).port}/callback`;
  }

  static async open(): Promise<Listener> {
    const server = createServer();
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject).listen(0, '127.0.0.1', resolve);
    });
    return new Listener(server);
  }

  /** The query of the redirect that has this `state`. Any page that the browser shows could send others, which are refused (RFC 9700 §4.7). */
  answer(state: string, signal: AbortSignal): Promise<string> {
    return new Promise((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
      this.#server.on('request', (request, response) => {
        const url = URL.parse(request.url ?? '', this.redirectUri);
        const isAnswer =
          request.method === 'GET' &&
          url?.pathname === '/callback' &&
          url.searchParams.get('state') === state;
        response.setHeader('connection', 'close');
        if (!isAnswer) {
          response.writeHead(400).end();
          return;
        }
        response.writeHead(200, { 'content-type': 'text/html' }).end(PAGE);
        resolve(url.search.slice(1));
      });
    });
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

const OPENERS: Readonly<Partial<Record<NodeJS.Platform, string>>> = {
  darwin: 'open',
  linux: 'xdg-open',
};

/** Without a browser the person opens the printed address. */
function openBrowser(address: string, browser: string | undefined): void {
  const program = browser ?? OPENERS[process.platform];
  if (program === undefined || program === '' || !address.startsWith('https://')) return;
  spawn(program, [address], { stdio: 'ignore', detached: true })
    .on('error', () => undefined)
    .unref();
}

/** A new login of the profile's person that satisfies dangerous operations. Undefined if the profile is not a person's. */
export async function stepUp(
  context: Context & Pick<CliContext, 'target'>,
): Promise<OperatorLogin | undefined> {
  const { profile, profileName } = await context.target();
  const { login } = profile;
  if (login.kind !== 'operator' || login.issuer === undefined || profileName === undefined) {
    return undefined;
  }
  const { issuer, device } = login;
  const client = await openClient(profile);
  try {
    const renewed = await logInPerson(context, client, { issuer, device, stepUp: true });
    const files = new ProfileFiles(context.environment.configDirectory);
    await files.write(profileName, { ...profile, login: renewed });
    // The older session is not needed any more. If it cannot be ended, it ends by itself.
    await client
      .as(bearer(login.token))
      .call('endOwnLogin')
      .catch(() => undefined);
    return renewed;
  } finally {
    client.close();
  }
}
