import { bearer } from '../../client/index.ts';
import { askHidden, readStdin } from '../ask.ts';
import {
  absolute,
  checkToken,
  openClient,
  operatorLogin,
  profileName,
  type ConnectionOptions,
} from '../connection.ts';
import type { Call, CliContext } from '../context.ts';
import { keepOrEnd, logInWorkload } from '../open-broker.ts';
import { ProfileFiles } from '../profile/profile-files.ts';
import type { OperatorLogin, Profile, WorkloadLogin } from '../profile/profile.ts';
import { UsageError } from '../usage-error.ts';
import { isSessionToken, whoIs } from '../who-is.ts';

export interface LoginOptions extends ConnectionOptions {
  readonly name?: string;
  readonly tokenStdin?: boolean;
  readonly cluster?: string;
  readonly podTokenFile?: string;
}

/** Tries a login and keeps it as a profile. */
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
  const keep: Keep = async (login) => {
    await files.write(name, { ...broker, login });
    await files.use(name);
  };
  const login = isWorkload(options)
    ? await workloadLogin(broker, options, keep)
    : await checkedLogin(broker, await operatorToken(context, options), keep);
  await output.say(`logged in at ${url} as ${who(login)}; it is the profile "${name}" now`);
}

type Keep = (login: OperatorLogin | WorkloadLogin) => Promise<void>;

function isWorkload({ cluster, podTokenFile, tokenFile, tokenStdin }: LoginOptions): boolean {
  if (cluster === undefined && podTokenFile === undefined) return false;
  if (cluster === undefined || podTokenFile === undefined) {
    throw new UsageError('a pod logs in with both --cluster and --pod-token-file');
  }
  if (tokenFile !== undefined || tokenStdin === true) {
    throw new UsageError(
      'a pod logs in with its own token, an operator with --token-file: not both',
    );
  }
  return true;
}

async function workloadLogin(
  broker: Pick<Profile, 'url' | 'caFile'>,
  { cluster = '', podTokenFile = '' }: LoginOptions,
  keep: Keep,
): Promise<WorkloadLogin> {
  const client = await openClient(broker);
  try {
    const path = absolute(podTokenFile) ?? '';
    const session = await logInWorkload(client, { cluster, podTokenFile: path });
    const login = { kind: 'workload', cluster, podTokenFile: path, session } as const;
    await keepOrEnd(client, session, () => keep(login));
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

/** A token that the broker does not know is not kept. */
async function checkedLogin(
  broker: Pick<Profile, 'url' | 'caFile'>,
  login: OperatorLogin,
  keep: Keep,
): Promise<OperatorLogin> {
  const client = await openClient(broker);
  try {
    await whoIs(client.as(bearer(login.token)), isSessionToken(login.token));
    await keep(login);
    return login;
  } finally {
    client.close();
  }
}

function who(login: OperatorLogin | WorkloadLogin): string {
  return login.kind === 'operator' ? 'an operator' : `a workload of ${login.cluster}`;
}
