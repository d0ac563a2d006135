import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import {
  BrokerClient,
  CertificateFiles,
  UnusableCertificate,
  type ClientOptions,
} from '../../client/index.ts';
import { defined } from '../kernel/defined.ts';
import type { CliEnvironment } from './environment.ts';
import { readFailure, UsageError } from '../kernel/errors.ts';
import { isToken, ProfileFiles, type OperatorLogin, type Profile } from './profiles.ts';

/** The options that name the broker and the login. */
export interface ConnectionOptions {
  readonly profile?: string | undefined;
  readonly url?: string | undefined;
  readonly tokenFile?: string | undefined;
  readonly ca?: string | undefined;
  readonly clientCert?: string | undefined;
  readonly clientKey?: string | undefined;
}

/** Settings with which a client connects to a broker. */
export type BrokerAddress = Omit<Profile, 'login'>;

export interface Target {
  /** Name of the profile; undefined if options and environment name everything. */
  readonly profileName: string | undefined;
  readonly profile: Profile;
}

const DEFAULT_PROFILE = 'default';

/**
 * An option overrides the environment, which overrides the profile; `--profile` overrides the environment as a whole. Token and client
 * certificate of a profile are sent to the broker of that profile only, so another URL needs another token. @throws UsageError
 */
export async function findTarget(
  options: ConnectionOptions,
  environment: CliEnvironment,
): Promise<Target> {
  const fallback = options.profile === undefined ? environment : undefined;
  const name = await profileName(options, environment);
  const stored = await new ProfileFiles(environment).read(name);
  const given = { ...fromEnvironment(fallback), ...defined(options) };
  const address = given.url ?? stored?.url;
  if (address === undefined) {
    throw noProfile(name, await new ProfileFiles(environment).names());
  }
  const own = isSameUrl(stored?.url, address) ? stored : undefined;
  const broker = {
    url: address,
    caFile: given.ca ?? stored?.caFile,
    ...(namedCertificate(given) ?? storedCertificate(own)),
  };
  const { tokenFile } = given;
  if (tokenFile !== undefined) {
    const login = await operatorLogin(tokenFile);
    return { profileName: undefined, profile: { ...broker, login } };
  }
  if (own === undefined) {
    throw new UsageError(
      `no token for ${address}: name its file with --token-file or QUAYMASTER_TOKEN_FILE, or run quaymaster login`,
    );
  }
  return { profileName: name, profile: { ...broker, login: own.login } };
}

function noProfile(name: string, others: readonly string[]): UsageError {
  if (name === DEFAULT_PROFILE && others.length > 0) {
    return new UsageError(
      `no current profile; profiles: ${others.join(', ')}; choose one: quaymaster profile use ${others[0]}`,
    );
  }
  return new UsageError(
    name === DEFAULT_PROFILE
      ? 'not logged in; run: quaymaster login --url https://HOST:PORT --token-file FILE'
      : `profile "${name}" does not exist; list profiles: quaymaster profile ls; create it: quaymaster login --name ${name}`,
  );
}

type CertificateOptions = Pick<ConnectionOptions, 'clientCert' | 'clientKey'>;

/** The files that options or environment name. Undefined if they name none. @throws UsageError for one without the other */
export function namedCertificate({
  clientCert,
  clientKey,
}: CertificateOptions): Pick<Profile, 'clientCertFile' | 'clientKeyFile'> | undefined {
  if (clientCert === undefined && clientKey === undefined) return undefined;
  if (clientCert === undefined || clientKey === undefined) {
    throw new UsageError(
      'a client certificate needs both --client-cert and --client-key (QUAYMASTER_CLIENT_CERT_FILE, QUAYMASTER_CLIENT_KEY_FILE)',
    );
  }
  return { clientCertFile: resolve(clientCert), clientKeyFile: resolve(clientKey) };
}

function storedCertificate(profile: Profile | undefined): Partial<BrokerAddress> {
  const { clientCertFile, clientKeyFile } = profile ?? {};
  return { clientCertFile, clientKeyFile };
}

export function fromEnvironment(environment: CliEnvironment | undefined): ConnectionOptions {
  if (environment === undefined) return {};
  const { url, tokenFile, caFile: ca } = environment;
  const { clientCertFile: clientCert, clientKeyFile: clientKey } = environment;
  return { url, tokenFile, ca, clientCert, clientKey };
}

/** The name of the profile to use. */
export async function profileName(
  { profile }: ConnectionOptions,
  environment: CliEnvironment,
): Promise<string> {
  return (
    profile ??
    environment.profile ??
    (await new ProfileFiles(environment).current()) ??
    DEFAULT_PROFILE
  );
}

/** The token in a file, with or without a final newline. @throws UsageError */
export async function operatorLogin(tokenFile: string): Promise<OperatorLogin> {
  return { kind: 'operator', token: checkToken(await readText(tokenFile), tokenFile) };
}

/** @throws UsageError if the text is not a token of a broker; the message does not contain it */
export function checkToken(text: string, source: string): string {
  const token = text.trim();
  if (!isToken(token)) throw new UsageError(`${source} does not contain a Quaymaster token`);
  return token;
}

/**
 * @param note reports a client certificate that has a problem and can be used
 * @throws UsageError if a file cannot be used or the URL is not valid
 */
export async function openClient(
  { url, caFile, ...certificate }: BrokerAddress,
  note: (text: string) => void,
): Promise<BrokerClient> {
  const ca = caFile === undefined ? undefined : await readText(caFile);
  if (ca !== undefined && !ca.includes('-----BEGIN CERTIFICATE-----')) {
    throw new UsageError(
      `${caFile ?? ''} contains no certificate in PEM (--ca, QUAYMASTER_CA_FILE)`,
    );
  }
  const clientCertificate = certificateReader(certificate, note);
  try {
    return new BrokerClient({
      url,
      userAgent: 'quaymaster-cli',
      clientCertificate,
      ...(ca !== undefined && { ca }),
    });
  } catch (error) {
    throw new UsageError(`${url}: ${(error as Error).message}`, [], { cause: error });
  }
}

/** Reads the files once to report their problems. @throws UsageError if they cannot be used */
function certificateReader(
  { clientCertFile: certFile, clientKeyFile: keyFile }: Partial<BrokerAddress>,
  onProblem: (text: string) => void,
): ClientOptions['clientCertificate'] {
  if (certFile === undefined || keyFile === undefined) return undefined;
  const files = new CertificateFiles({ certFile, keyFile, onProblem });
  try {
    files.current();
  } catch (error) {
    if (!(error instanceof UnusableCertificate)) throw error;
    throw new UsageError(`${error.message} (--client-cert, --client-key)`, [], { cause: error });
  }
  return () => files.current();
}

export async function readText(path: string): Promise<string> {
  return (await readBytes(path)).toString();
}

/** @throws UsageError */
export async function readBytes(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new UsageError(`${path} ${readFailure(error)}`, [], { cause: error });
  }
}

export function absolute(path: string | undefined): string | undefined {
  return path === undefined ? undefined : resolve(path);
}

function isSameUrl(left = '', right: string): boolean {
  return URL.canParse(left) && URL.canParse(right) && new URL(left).href === new URL(right).href;
}
