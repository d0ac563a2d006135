import { bearer } from '../../client/index.ts';
import { askHidden, readStdin } from '../ask.ts';
import { abortedBy, type Broker } from '../broker.ts';
import {
  absolute,
  checkToken,
  findTarget,
  openClient,
  operatorLogin,
  profileName,
  type ConnectionOptions,
} from '../connection.ts';
import type { Call, CliContext } from '../context.ts';
import { UsageError } from '../errors.ts';
import { isSessionToken, readIdentity } from '../identity.ts';
import { logInWorkload, openBroker, saveOrEnd } from '../open-broker.ts';
import { table } from '../output/table.ts';
import { ProfileFiles, type OperatorLogin, type Profile, type WorkloadLogin } from '../profiles.ts';

export interface LoginOptions extends ConnectionOptions {
  readonly name?: string;
  readonly tokenStdin?: boolean;
  readonly cluster?: string;
  readonly podTokenFile?: string;
}

/** Tries a login, and saves it as a profile if it succeeds. */
export async function runLogin(
  context: CliContext,
  { options }: Call<LoginOptions>,
): Promise<void> {
  const { environment, output } = context;
  const name = options.name ?? (await profileName(options, environment));
  const files = new ProfileFiles(environment.configDirectory);
  const url = options.url ?? environment.url ?? (await files.read(name))?.url;
  if (url === undefined) throw new UsageError('login needs --url https://HOST:PORT');
  const caFile = absolute(options.ca ?? environment.caFile);
  const broker = { url, ...(caFile !== undefined && { caFile }) };
  const save: Save = async (login) => {
    await files.write(name, { ...broker, login });
    await files.use(name);
  };
  const login = isWorkload(options)
    ? await workloadLogin(broker, options, save)
    : await checkedLogin(broker, await operatorToken(context, options), save);
  const who = login.kind === 'operator' ? 'an operator' : `a workload of cluster ${login.cluster}`;
  await output.say(`logged in to ${url} as ${who}; the current profile is now "${name}"`);
}

type Save = (login: OperatorLogin | WorkloadLogin) => Promise<void>;

function isWorkload({ cluster, podTokenFile, tokenFile, tokenStdin }: LoginOptions): boolean {
  if (cluster === undefined && podTokenFile === undefined) return false;
  const files = [podTokenFile, tokenFile].filter((file) => file !== undefined);
  if (cluster === undefined || files.length === 0) {
    throw new UsageError(
      'the login of a workload needs both --cluster and --pod-token-file (or --token-file)',
    );
  }
  if (files.length > 1 || tokenStdin === true) {
    throw new UsageError(
      'a workload logs in with one token: give either --pod-token-file or --token-file',
    );
  }
  return true;
}

async function workloadLogin(
  broker: Pick<Profile, 'url' | 'caFile'>,
  { cluster = '', tokenFile = '', podTokenFile = tokenFile }: LoginOptions,
  save: Save,
): Promise<WorkloadLogin> {
  const client = await openClient(broker);
  try {
    const path = absolute(podTokenFile) ?? '';
    const session = await logInWorkload(client, { cluster, podTokenFile: path });
    const login = { kind: 'workload', cluster, podTokenFile: path, session } as const;
    await saveOrEnd(client, session, () => save(login));
    return login;
  } finally {
    client.close();
  }
}

async function operatorToken(
  context: CliContext,
  { tokenFile, tokenStdin }: LoginOptions,
): Promise<OperatorLogin> {
  const file = tokenFile ?? (tokenStdin === true ? undefined : context.environment.tokenFile);
  if (file !== undefined) return operatorLogin(file);
  if (tokenStdin !== true && !context.stdin.isTTY) {
    throw new UsageError(
      'login needs --token-file FILE or --token-stdin; a token is never an argument',
    );
  }
  const text = context.stdin.isTTY
    ? await askHidden(context, 'Token')
    : (await readStdin(context)).toString();
  return { kind: 'operator', token: checkToken(text, 'standard input') };
}

/** Saves a token only after the broker has accepted it. */
async function checkedLogin(
  broker: Pick<Profile, 'url' | 'caFile'>,
  login: OperatorLogin,
  save: Save,
): Promise<OperatorLogin> {
  const client = await openClient(broker);
  try {
    const who = await readIdentity(client.as(bearer(login.token)), isSessionToken(login.token));
    const { endsAt } = 'session' in who ? who.session : who.operator;
    await save({ ...login, endsAt });
    return login;
  } finally {
    client.close();
  }
}

interface LogoutOptions extends ConnectionOptions {
  readonly revoke?: boolean;
}

/** Deletes a profile. Its session ends, with the leases; an operator's token is revoked only with `--revoke`. */
export async function runLogout(
  context: CliContext,
  { options }: Call<LogoutOptions>,
): Promise<void> {
  const { environment, output } = context;
  const name = await profileName(options, environment);
  const files = new ProfileFiles(environment.configDirectory);
  const profile = await files.read(name);
  if (profile === undefined) {
    await output.say(`not logged in: profile "${name}" does not exist`);
    return;
  }
  const { login } = profile;
  const isSession = login.kind === 'workload' || isSessionToken(login.token);
  // The profile's own token is used: a token that an option or the environment names belongs to another login and stays valid.
  const ca = options.ca ?? (options.profile === undefined ? environment.caFile : undefined);
  const asProfile = callingAs(context, { profile: name, ca });
  if (isSession) await endSession(context, asProfile);
  else if (options.revoke === true) await asProfile(revokeOwnToken);
  await files.remove(name);
  await output.say(`logged out; deleted profile "${name}"`);
  if (!isSession && options.revoke !== true) {
    output.note('copies of its token stay valid; logout --revoke revokes the token');
  }
}

type CallAs = (work: (broker: Broker) => Promise<unknown>) => Promise<void>;

function callingAs(
  { environment, clock, signal }: CliContext,
  connection: ConnectionOptions,
): CallAs {
  return async (work) => {
    const target = await findTarget(connection, environment);
    const { broker, close } = await openBroker(target, environment, clock);
    try {
      await work(abortedBy(broker, signal));
    } finally {
      close();
    }
  };
}

/** A session that cannot be ended does not stop the logout: it may have expired already. */
async function endSession({ output }: CliContext, asProfile: CallAs): Promise<void> {
  try {
    await asProfile((broker) => broker.call('endSession'));
  } catch (error) {
    output.note(`could not end the session: ${(error as Error).message}`);
  }
}

async function revokeOwnToken(broker: Broker): Promise<void> {
  const { operator, id } = (await broker.call('readOwnToken')).body;
  await broker.call('revokeOperatorToken', { path: { name: operator, id } });
}

/** Makes a profile the one that commands use if they name none. */
export async function runProfileUse(
  { environment, output }: CliContext,
  { args: [name = ''] }: Call<object>,
): Promise<void> {
  const files = new ProfileFiles(environment.configDirectory);
  const profile = await files.read(name);
  if (profile === undefined) {
    const known = (await files.names()).join(', ') || 'none';
    throw new UsageError(`profile "${name}" does not exist; profiles: ${known}`);
  }
  await files.use(name);
  await output.say(`the current profile is now "${name}" (${profile.url})`);
  if (environment.profile !== undefined && environment.profile !== name) {
    output.note(`QUAYMASTER_PROFILE names "${environment.profile}", which overrides it here`);
  }
}

export async function runProfiles({ environment, output }: CliContext): Promise<void> {
  const files = new ProfileFiles(environment.configDirectory);
  const current = await files.current();
  const items: { name: string; url: string; as: string; current: boolean }[] = [];
  for (const name of await files.names()) {
    const profile = await files.read(name);
    if (profile === undefined) continue;
    const { url, login } = profile;
    items.push({ name, url, as: login.kind, current: name === current });
  }
  await output.show({ items }, () =>
    table(
      ['name', 'broker', 'as', 'current'],
      items.map((each) => [each.name, each.url, each.as, each.current]),
    ),
  );
}
