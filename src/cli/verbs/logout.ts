import { ending, type Broker } from '../broker.ts';
import { profileName, type ConnectionOptions } from '../connection.ts';
import type { Call, CliContext } from '../context.ts';
import { openBroker } from '../open-broker.ts';
import { ProfileFiles } from '../profile/profile-files.ts';
import { isSessionToken } from '../who-is.ts';

interface LogoutOptions extends ConnectionOptions {
  readonly revoke?: boolean;
}

/** Forgets a profile. A session is ended, with its leases; an operator's token is revoked on request. */
export async function runLogout(
  context: CliContext,
  { options }: Call<LogoutOptions>,
): Promise<void> {
  const { environment, output } = context;
  const name = await profileName(options, environment);
  const files = new ProfileFiles(environment.configDirectory);
  const profile = await files.read(name);
  if (profile === undefined) {
    await output.say('nobody was logged in');
    return;
  }
  const { login } = profile;
  const isSession = login.kind === 'workload' || isSessionToken(login.token);
  // Who asks is the profile: a token that options or environment name is another's, and stays.
  const ca = options.ca ?? (options.profile === undefined ? environment.caFile : undefined);
  const asProfile = asking(context, { profile: name, ca });
  if (isSession) await endSession(context, asProfile);
  else if (options.revoke === true) await asProfile(revokeOwnToken);
  await files.remove(name);
  await output.say(`logged out: the profile "${name}" is gone`);
  if (!isSession && options.revoke !== true) {
    output.note('its token is still good where else it is kept; --revoke ends it');
  }
}

type Asking = (work: (broker: Broker) => Promise<unknown>) => Promise<void>;

function asking({ environment, clock, signal }: CliContext, connection: ConnectionOptions): Asking {
  return async (work) => {
    const { broker, close } = await openBroker(connection, environment, clock);
    try {
      await work(ending(broker, signal));
    } finally {
      close();
    }
  };
}

/** A session that has ended by itself is over too. */
async function endSession({ output }: CliContext, asProfile: Asking): Promise<void> {
  try {
    await asProfile((broker) => broker.call('endSession'));
  } catch (error) {
    output.note(`the session was not ended: ${(error as Error).message}`);
  }
}

async function revokeOwnToken(broker: Broker): Promise<void> {
  const { operator, id } = (await broker.call('readOwnToken')).body;
  await broker.call('revokeOperatorToken', { path: { name: operator, id } });
}
