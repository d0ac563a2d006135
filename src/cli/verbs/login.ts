import { bearer, type BrokerClient } from '../../client/index.ts';
import { askHidden, readStdin } from '../input/ask.ts';
import { abortedBy, type Broker } from '../connection/broker.ts';
import {
  absolute,
  checkToken,
  findTarget,
  fromEnvironment,
  namedCertificate,
  openClient,
  operatorLogin,
  profileName,
  type BrokerAddress,
  type ConnectionOptions,
} from '../connection/connection.ts';
import type { Call, CliContext } from '../connection/context.ts';
import { defined } from '../kernel/defined.ts';
import { UsageError } from '../kernel/errors.ts';
import { isSessionToken, readIdentity } from '../connection/identity.ts';
import { credentialOf, logInWorkload, openBroker, saveOrEnd } from '../connection/open-broker.ts';
import { logInPerson, stepUp } from '../connection/person-login.ts';
import { proveKey } from '../connection/security-key.ts';
import { table } from '../output/table.ts';
import { ProfileFiles, type OperatorLogin, type WorkloadLogin } from '../connection/profiles.ts';

export interface LoginOptions extends ConnectionOptions {
  readonly name?: string;
  readonly tokenStdin?: boolean;
  readonly cluster?: string;
  readonly podTokenFile?: string;
  readonly issuer?: string;
  readonly device?: boolean;
  readonly stepUp?: boolean;
}

const STEPPED_UP = {
  done: 'dangerous operations are allowed now',
  no_key:
    'logged in again; dangerous operations need a security key: run quaymaster second-factor add LABEL now',
} as const;

/** Tries a login, and saves it as a profile if it succeeds. */
export async function runLogin(
  context: CliContext,
  { options }: Call<LoginOptions>,
): Promise<void> {
  const { environment, output } = context;
  if (options.stepUp === true && options.issuer === undefined) {
    const outcome = await stepUp(context);
    if (outcome !== 'no_person') {
      await output.say(STEPPED_UP[outcome]);
      return;
    }
    throw new UsageError('--step-up needs --issuer, or a profile of a login at an issuer');
  }
  const name = options.name ?? (await profileName(options, environment));
  const files = new ProfileFiles(environment);
  const url = options.url ?? environment.url ?? (await files.read(name))?.url;
  if (url === undefined) throw new UsageError('login needs --url https://HOST:PORT');
  const caFile = absolute(options.ca ?? environment.caFile);
  const certificate = namedCertificate({ ...fromEnvironment(environment), ...defined(options) });
  const broker = { url, ...(caFile !== undefined && { caFile }), ...certificate };
  const save: Save = async (login) => {
    await files.write(name, { ...broker, login });
    await files.use(name);
  };
  const login = await logInAs(context, broker, options, save);
  await output.say(`logged in to ${url} as ${whoIs(login)}; the current profile is now "${name}"`);
}

function logInAs(
  context: CliContext,
  broker: BrokerAddress,
  options: LoginOptions,
  save: Save,
): Promise<OperatorLogin | WorkloadLogin> {
  return withClient(context, broker, async (client) => {
    if (options.issuer !== undefined) return personLogin(context, client, options, save);
    if (isWorkload(options, broker)) return workloadLogin(client, options, save);
    return checkLogin(client, await operatorToken(context, options), save);
  });
}

async function withClient<T>(
  { output }: CliContext,
  broker: BrokerAddress,
  work: (client: BrokerClient) => Promise<T>,
): Promise<T> {
  const client = await openClient(broker, (text) => output.note(text));
  try {
    return await work(client);
  } finally {
    client.close();
  }
}

async function personLogin(
  context: CliContext,
  client: BrokerClient,
  { issuer = '', device, stepUp: isStepUp }: LoginOptions,
  save: Save,
): Promise<OperatorLogin> {
  const login = await logInPerson(context, client, { issuer, device, stepUp: isStepUp });
  await save(login);
  if (isStepUp === true) {
    const credential = await credentialOf(login, context.environment);
    await proveKey(context, client.as(credential), device === true);
  }
  return login;
}

function whoIs(login: OperatorLogin | WorkloadLogin): string {
  if (login.kind === 'workload') return `a workload of cluster ${login.cluster}`;
  return login.issuer === undefined ? 'an operator' : `a person of the issuer ${login.issuer}`;
}

type Save = (login: OperatorLogin | WorkloadLogin) => Promise<void>;

/** @throws UsageError */
function isWorkload(
  { cluster, podTokenFile, tokenFile, tokenStdin }: LoginOptions,
  { clientCertFile }: BrokerAddress,
): boolean {
  if (cluster === undefined && podTokenFile === undefined) return false;
  const files = [podTokenFile, tokenFile].filter((file) => file !== undefined);
  if (cluster === undefined || (files.length === 0 && clientCertFile === undefined)) {
    throw new UsageError(
      'the login of a workload needs both --cluster and --pod-token-file (or --token-file); to log in by certificate: --cluster, --client-cert and --client-key',
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
  client: BrokerClient,
  { cluster = '', tokenFile, podTokenFile = tokenFile }: LoginOptions,
  save: Save,
): Promise<WorkloadLogin> {
  const workload = { cluster, podTokenFile: absolute(podTokenFile) };
  const session = await logInWorkload(client, workload);
  const login = { kind: 'workload', ...workload, session } as const;
  await saveOrEnd(client, session, () => save(login));
  return login;
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
async function checkLogin(
  client: BrokerClient,
  login: OperatorLogin,
  save: Save,
): Promise<OperatorLogin> {
  const who = await readIdentity(client.as(bearer(login.token)), isSessionToken(login.token));
  const { endsAt } = 'session' in who ? who.session : who.operator;
  await save({ ...login, endsAt });
  return login;
}

interface LogoutOptions extends ConnectionOptions {
  readonly revoke?: boolean;
  readonly everywhere?: boolean;
}

/** Deletes a profile. Its session ends, with the leases; an operator's token is revoked only with `--revoke`. */
export async function runLogout(
  context: CliContext,
  { options }: Call<LogoutOptions>,
): Promise<void> {
  const { environment, output } = context;
  const name = await profileName(options, environment);
  const files = new ProfileFiles(environment);
  const profile = await files.read(name);
  if (profile === undefined) {
    await output.say(`not logged in: profile "${name}" does not exist`);
    return;
  }
  const { login } = profile;
  const call = endOf(login, options.everywhere === true);
  // The profile's own token is used: a token that an option or the environment names belongs to another login and stays valid.
  const given = fromEnvironment(options.profile === undefined ? environment : undefined);
  const { ca, clientCert, clientKey } = { ...given, ...defined(options) };
  const asProfile = callingAs(context, { profile: name, ca, clientCert, clientKey });
  if (call !== undefined) await endSession(context, asProfile, call);
  else if (options.revoke === true) await asProfile(revokeOwnToken);
  await files.remove(name);
  await output.say(`logged out; deleted profile "${name}"`);
  if (call === undefined && options.revoke !== true) {
    output.note('copies of its token stay valid; logout --revoke revokes the token');
  }
}

/** Ends the session of a login; undefined for a token of an operator. */
function endOf(
  login: OperatorLogin | WorkloadLogin,
  isEverywhere: boolean,
): ((broker: Broker) => Promise<unknown>) | undefined {
  if (login.kind === 'workload' || isSessionToken(login.token)) {
    return (broker) => broker.call('endSession');
  }
  if (login.issuer === undefined) return undefined;
  const query = isEverywhere ? { everywhere: 'true' as const } : {};
  return (broker) => broker.call('endOwnLogin', { query });
}

type CallAs = (work: (broker: Broker) => Promise<unknown>) => Promise<void>;

function callingAs(context: CliContext, connection: ConnectionOptions): CallAs {
  return async (work) => {
    const target = await findTarget(connection, context.environment);
    const { broker, close } = await openBroker(target, context);
    try {
      await work(abortedBy(broker, context.signal));
    } finally {
      close();
    }
  };
}

/** A session that cannot be ended does not stop the logout: it may have expired already. */
async function endSession(
  { output }: CliContext,
  asProfile: CallAs,
  end: (broker: Broker) => Promise<unknown>,
): Promise<void> {
  try {
    await asProfile(end);
  } catch (error) {
    output.note(`could not end the session: ${(error as Error).message}`);
  }
}

async function revokeOwnToken(broker: Broker): Promise<void> {
  const { operator, id } = (await broker.call('readOwnToken')).body;
  await broker.call('revokeOperatorToken', { path: { name: operator, id } });
}

/** Deletes a profile, also of a broker that is gone. */
export async function runProfileRemove(
  { environment, output }: CliContext,
  { args: [name = ''] }: Call<object>,
): Promise<void> {
  const files = new ProfileFiles(environment);
  // A damaged profile can be deleted too.
  if (!(await files.names()).includes(name)) throw await unknownProfile(files, name);
  await files.remove(name);
  await output.say(`deleted profile "${name}"; its session or token stays valid until it expires`);
}

async function unknownProfile(files: ProfileFiles, name: string): Promise<UsageError> {
  const known = (await files.names()).join(', ') || 'none';
  return new UsageError(`profile "${name}" does not exist; profiles: ${known}`);
}

/** Makes a profile the one that commands use if they name none. */
export async function runProfileUse(
  { environment, output }: CliContext,
  { args: [name = ''] }: Call<object>,
): Promise<void> {
  const files = new ProfileFiles(environment);
  const profile = await files.read(name);
  if (profile === undefined) throw await unknownProfile(files, name);
  await files.use(name);
  await output.say(`the current profile is now "${name}" (${profile.url})`);
  if (environment.profile !== undefined && environment.profile !== name) {
    output.note(`QUAYMASTER_PROFILE names "${environment.profile}", which overrides it here`);
  }
}

export async function runProfiles({ environment, output }: CliContext): Promise<void> {
  const files = new ProfileFiles(environment);
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
