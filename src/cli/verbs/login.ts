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
import { logInWorkload } from '../open-broker.ts';
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
  if (url === undefined) throw new UsageError('login needs --url https://…');
  const caFile = absolute(options.ca ?? environment.caFile);
  const login = isWorkload(options)
    ? await workloadLogin({ url, caFile }, options)
    : await checkedLogin({ url, caFile }, await operatorToken(context, options));
  await files.write(name, { url, ...(caFile !== undefined && { caFile }), login });
  await files.use(name);
  await output.say(`logged in at ${url} as ${who(login)}; it is the profile "${name}" now`);
}

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
): Promise<WorkloadLogin> {
  const client = await openClient(broker);
  try {
    const path = absolute(podTokenFile) ?? '';
    const session = await logInWorkload(client, { cluster, podTokenFile: path });
    return { kind: 'workload', cluster, podTokenFile: path, session };
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
): Promise<OperatorLogin> {
  const client = await openClient(broker);
  try {
    await whoIs(client.as(bearer(login.token)), isSessionToken(login.token));
    return login;
  } finally {
    client.close();
  }
}

function who(login: OperatorLogin | WorkloadLogin): string {
  return login.kind === 'operator' ? 'an operator' : `a workload of ${login.cluster}`;
}
