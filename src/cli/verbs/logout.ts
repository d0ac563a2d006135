import { findTarget, profileName, type ConnectionOptions } from '../connection.ts';
import type { Call, CliContext } from '../context.ts';
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
    output.say('nobody was logged in');
    return;
  }
  const own = { ...options, profile: name };
  const { login } = (await findTarget(own, environment)).profile;
  const isSession = login.kind === 'workload' || isSessionToken(login.token);
  if (isSession) await endSession(context);
  else if (options.revoke === true) await revokeOwnToken(context);
  await files.remove(name);
  output.say(`logged out: the profile "${name}" is gone`);
  if (!isSession && options.revoke !== true) {
    output.note('its token is still good where else it is kept; --revoke ends it');
  }
}

/** A session that has ended by itself is over too. */
async function endSession({ broker, output }: CliContext): Promise<void> {
  try {
    await (await broker()).call('endSession');
  } catch (error) {
    output.note(`the session was not ended: ${(error as Error).message}`);
  }
}

async function revokeOwnToken({ broker }: CliContext): Promise<void> {
  const caller = await broker();
  const { operator, id } = (await caller.call('readOwnToken')).body;
  await caller.call('revokeOperatorToken', { path: { name: operator, id } });
}
