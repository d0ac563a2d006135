import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { BrokerClient } from '../client/index.ts';
import { defined } from './defined.ts';
import type { CliEnvironment } from './environment.ts';
import { isToken, type OperatorLogin, type Profile } from './profile/profile.ts';
import { ProfileFiles } from './profile/profile-files.ts';
import { UsageError } from './usage-error.ts';

/** The options that say where the broker is and who asks. */
export interface ConnectionOptions {
  readonly profile?: string | undefined;
  readonly url?: string | undefined;
  readonly tokenFile?: string | undefined;
  readonly ca?: string | undefined;
}

export interface Target {
  /** Undefined where everything was said by options and environment. */
  readonly profileName: string | undefined;
  readonly profile: Profile;
}

const DEFAULT_PROFILE = 'default';

/**
 * Options before environment before profile; who names a profile means all of it. A profile's token goes to the profile's broker only: who
 * names another URL names a token too. @throws UsageError
 */
export async function findTarget(
  options: ConnectionOptions,
  environment: CliEnvironment,
): Promise<Target> {
  const around = options.profile === undefined ? environment : undefined;
  const name = await profileName(options, environment);
  const stored = await new ProfileFiles(environment.configDirectory).read(name);
  const said = { ...fromEnvironment(around), ...defined(options) };
  const address = said.url ?? stored?.url;
  if (address === undefined) {
    throw new UsageError(
      name === DEFAULT_PROFILE
        ? 'nobody is logged in: quaymaster login --url https://HOST:PORT --token-file FILE'
        : `there is no profile "${name}": quaymaster profiles lists them, quaymaster login --name ${name} makes it`,
    );
  }
  const caFile = said.ca ?? stored?.caFile;
  const { tokenFile } = said;
  if (tokenFile !== undefined) {
    const login = await operatorLogin(tokenFile);
    return { profileName: undefined, profile: { url: address, caFile, login } };
  }
  if (stored === undefined || !isSameUrl(stored.url, address)) {
    throw new UsageError(
      `no token is known for ${address}: name its file with --token-file or QUAYMASTER_TOKEN_FILE, or log in`,
    );
  }
  return { profileName: name, profile: { ...stored, caFile } };
}

function fromEnvironment(environment: CliEnvironment | undefined): ConnectionOptions {
  if (environment === undefined) return {};
  const { url, tokenFile, caFile: ca } = environment;
  return { url, tokenFile, ca };
}

/** The profile that is meant. */
export async function profileName(
  { profile }: ConnectionOptions,
  { profile: around, configDirectory }: CliEnvironment,
): Promise<string> {
  return (
    profile ?? around ?? (await new ProfileFiles(configDirectory).current()) ?? DEFAULT_PROFILE
  );
}

/** The token in a file, with or without a newline at its end. @throws UsageError */
export async function operatorLogin(tokenFile: string): Promise<OperatorLogin> {
  return { kind: 'operator', token: checkToken(await readText(tokenFile), tokenFile) };
}

/** @throws UsageError for a text that is no token of a broker; it is not repeated */
export function checkToken(text: string, source: string): string {
  const token = text.trim();
  if (!isToken(token)) throw new UsageError(`${source} does not hold a token of Quaymaster`);
  return token;
}

/** @throws UsageError for an authority that cannot be read and a URL that cannot be used */
export async function openClient({
  url,
  caFile,
}: Pick<Profile, 'url' | 'caFile'>): Promise<BrokerClient> {
  const ca = caFile === undefined ? undefined : await readText(caFile);
  try {
    return new BrokerClient({
      url,
      userAgent: 'quaymaster-cli',
      ...(ca !== undefined && { ca }),
    });
  } catch (error) {
    throw new UsageError(`${url}: ${(error as Error).message}`, [], { cause: error });
  }
}

export async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    throw new UsageError(`${path} cannot be read: ${code}`, [], { cause: error });
  }
}

export function absolute(path: string | undefined): string | undefined {
  return path === undefined ? undefined : resolve(path);
}

function isSameUrl(left: string, right: string): boolean {
  return URL.canParse(left) && URL.canParse(right) && new URL(left).href === new URL(right).href;
}
