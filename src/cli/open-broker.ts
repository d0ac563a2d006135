import { bearer, type BrokerClient } from '../client/index.ts';
import type { Clock } from '../ports/clock.ts';
import { findTarget, openClient, readText, type ConnectionOptions } from './connection.ts';
import type { CliEnvironment } from './environment.ts';
import { ProfileFiles } from './profile/profile-files.ts';
import type { WorkloadLogin } from './profile/profile.ts';

/** A session that ends this soon is moved on first: a verb must not lose it half way. */
const SOON_MS = 300_000;

export interface OpenedBroker {
  readonly broker: BrokerClient;
  readonly close: () => void;
}

/** @throws UsageError, and whatever a login may answer */
export async function openBroker(
  options: ConnectionOptions,
  environment: CliEnvironment,
  clock: Clock,
): Promise<OpenedBroker> {
  const { profile, profileName } = await findTarget(options, environment);
  const client = await openClient(profile);
  const close = (): void => client.close();
  const { login } = profile;
  if (login.kind === 'operator') return { broker: client.as(bearer(login.token)), close };
  try {
    const session = await freshSession(client, login, clock);
    if (session !== login.session && profileName !== undefined) {
      const files = new ProfileFiles(environment.configDirectory);
      const keep = () => files.write(profileName, { ...profile, login: { ...login, session } });
      if (session.token === login.session.token) await keep();
      else await keepOrEnd(client, session, keep);
    }
    return { broker: client.as(bearer(session.token)), close };
  } catch (error) {
    close();
    throw error;
  }
}

/** The session as it is, renewed when it ends soon, or a new one when it has ended. */
async function freshSession(
  client: BrokerClient,
  login: WorkloadLogin,
  clock: Clock,
): Promise<WorkloadLogin['session']> {
  const { session } = login;
  const left = Date.parse(session.endsAt) - clock.now();
  if (left > SOON_MS) return session;
  if (left <= 0) return logInWorkload(client, login);
  const token = (await readText(login.podTokenFile)).trim();
  const renewed = await client.as(bearer(session.token)).call('renewSession', { body: { token } });
  return { token: session.token, endsAt: renewed.body.session.endsAt };
}

/** A session for the pod whose token is in the file. */
export async function logInWorkload(
  client: BrokerClient,
  { cluster, podTokenFile }: Pick<WorkloadLogin, 'cluster' | 'podTokenFile'>,
): Promise<WorkloadLogin['session']> {
  const token = (await readText(podTokenFile)).trim();
  const { body } = await client.call('createSession', { body: { cluster, token } });
  return { token: body.token, endsAt: body.session.endsAt };
}

/** A session that was made and cannot be kept is ended: nobody would have its token. */
export async function keepOrEnd(
  client: BrokerClient,
  { token }: WorkloadLogin['session'],
  keep: () => Promise<void>,
): Promise<void> {
  try {
    await keep();
  } catch (error) {
    // Where that fails too it ends with the token of its pod.
    await client
      .as(bearer(token))
      .call('endSession')
      .catch(() => undefined);
    throw error;
  }
}
