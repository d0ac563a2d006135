import { bearer, type BrokerClient, type Credential } from '../../client/index.ts';
import { openClient, readText, type Target } from './connection.ts';
import type { CliContext } from './context.ts';
import type { CliEnvironment } from './environment.ts';
import { ProfileFiles, type OperatorLogin, type WorkloadLogin } from './profiles.ts';

/** A session that expires this soon is renewed first, so that it does not expire while the verb runs. */
const RENEW_BEFORE_MS = 300_000;

export interface OpenedBroker {
  readonly broker: BrokerClient;
  readonly close: () => void;
}

/** @throws UsageError, and every error of a login */
export async function openBroker(
  { profile, profileName }: Target,
  { environment, clock, output }: Pick<CliContext, 'environment' | 'clock' | 'output'>,
): Promise<OpenedBroker> {
  const client = await openClient(profile, (text) => output.note(text));
  const close = (): void => client.close();
  const { login } = profile;
  try {
    if (login.kind === 'operator') {
      return { broker: client.as(await credentialOf(login, environment)), close };
    }
    const session = await currentSession(client, login, clock.now());
    if (session !== login.session && profileName !== undefined) {
      const files = new ProfileFiles(environment);
      const save = () => files.write(profileName, { ...profile, login: { ...login, session } });
      if (session.token === login.session.token) await save();
      else await saveOrEnd(client, session, save);
    }
    return { broker: client.as(bearer(session.token)), close };
  } catch (error) {
    close();
    throw error;
  }
}

/** The credential of a login, with its key if it is bound to one. @throws Failed if the key is not on this machine */
export async function credentialOf(
  { token, keyThumbprint }: OperatorLogin,
  environment: CliEnvironment,
): Promise<Credential> {
  if (keyThumbprint === undefined) return bearer(token);
  return (await new ProfileFiles(environment).keys.read(keyThumbprint)).bearing(token);
}

/** The session of the profile, renewed if it expires soon, or a new one if it has expired. */
async function currentSession(
  client: BrokerClient,
  login: WorkloadLogin,
  now: number,
): Promise<WorkloadLogin['session']> {
  const { session } = login;
  const left = Date.parse(session.endsAt) - now;
  if (left > RENEW_BEFORE_MS) return session;
  if (left <= 0) return logInWorkload(client, login);
  const body = await readProof(login);
  const renewed = await client.as(bearer(session.token)).call('renewSession', { body });
  return { token: session.token, endsAt: renewed.body.session.endsAt };
}

/** Opens a new session for the workload whose token is in the file; without a file, for the workload of the client's certificate. */
export async function logInWorkload(
  client: BrokerClient,
  login: Pick<WorkloadLogin, 'cluster' | 'podTokenFile'>,
): Promise<WorkloadLogin['session']> {
  const request = { cluster: login.cluster, ...(await readProof(login)) };
  const { body } = await client.call('createSession', { body: request });
  return { token: body.token, endsAt: body.session.endsAt };
}

/** Reads the token; none if the login is by certificate: the connection proves it. */
async function readProof({
  podTokenFile,
}: Pick<WorkloadLogin, 'podTokenFile'>): Promise<{ readonly token?: string }> {
  return podTokenFile === undefined ? {} : { token: (await readText(podTokenFile)).trim() };
}

/** Saves a new session, and ends it if that fails: its token would be lost while it still works. */
export async function saveOrEnd(
  client: BrokerClient,
  { token }: WorkloadLogin['session'],
  save: () => Promise<void>,
): Promise<void> {
  try {
    await save();
  } catch (error) {
    // If this fails too, the session expires with the token of its pod.
    await client
      .as(bearer(token))
      .call('endSession')
      .catch(() => undefined);
    throw error;
  }
}
