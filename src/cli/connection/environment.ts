import { homedir } from 'node:os';
import { join } from 'node:path';
import { UsageError } from '../kernel/errors.ts';

/** Settings from the environment. Never a token: processes of the same user, and anybody who can inspect the container, can read the environment. */
export interface CliEnvironment {
  readonly url: string | undefined;
  readonly tokenFile: string | undefined;
  readonly caFile: string | undefined;
  readonly clientCertFile?: string | undefined;
  readonly clientKeyFile?: string | undefined;
  readonly profile: string | undefined;
  /** Environment of the programs that a command starts. */
  readonly inherited: Readonly<Record<string, string | undefined>>;
  /** The program that opens addresses; empty: none. */
  readonly browser?: string | undefined;
  /** Directory of the profiles (XDG Base Directory Specification). */
  readonly configDirectory: string;
  /** Directories for the keys of logins, the best first. */
  readonly keyDirectories: readonly string[];
}

/** @throws UsageError for a setting that would make the command unsafe */
export function readEnvironment(variables: NodeJS.ProcessEnv): CliEnvironment {
  if (variables['NODE_TLS_REJECT_UNAUTHORIZED'] === '0') {
    throw new UsageError(
      'NODE_TLS_REJECT_UNAUTHORIZED=0 is not allowed: certificates are always verified; name the CA with --ca or QUAYMASTER_CA_FILE',
    );
  }
  if (set(variables['QUAYMASTER_TOKEN']) !== undefined) {
    throw new UsageError(
      'QUAYMASTER_TOKEN is not allowed: other processes can read the environment; write the token to a file of mode 0600 and name the file in QUAYMASTER_TOKEN_FILE',
    );
  }
  const base = set(variables['XDG_CONFIG_HOME']) ?? join(homedir(), '.config');
  return {
    url: set(variables['QUAYMASTER_URL']),
    tokenFile: set(variables['QUAYMASTER_TOKEN_FILE']),
    caFile: set(variables['QUAYMASTER_CA_FILE']),
    clientCertFile: set(variables['QUAYMASTER_CLIENT_CERT_FILE']),
    clientKeyFile: set(variables['QUAYMASTER_CLIENT_KEY_FILE']),
    profile: set(variables['QUAYMASTER_PROFILE']),
    inherited: variables,
    browser: variables['BROWSER'],
    configDirectory: join(base, 'quaymaster'),
    keyDirectories: keyDirectories(variables),
  };
}

/**
 * The runtime directory of the user is in memory: it is in no backup and no image of the disk, and empty after a restart. macOS has a
 * directory of each user for temporary files instead, which it does not back up. Elsewhere the keys are in the state directory.
 */
function keyDirectories(variables: NodeJS.ProcessEnv): readonly string[] {
  const runtime =
    set(variables['XDG_RUNTIME_DIR']) ??
    (process.platform === 'darwin' ? set(variables['TMPDIR']) : undefined);
  const state = set(variables['XDG_STATE_HOME']) ?? join(homedir(), '.local', 'state');
  return [
    ...(runtime === undefined ? [] : [join(runtime, 'quaymaster')]),
    join(state, 'quaymaster', 'keys'),
  ];
}

function set(value: string | undefined): string | undefined {
  return value === '' ? undefined : value;
}
