import { homedir } from 'node:os';
import { join } from 'node:path';
import { UsageError } from './usage-error.ts';

/** What the environment says. Never a token: every process of the same user can read it, and so can who inspects a container. */
export interface CliEnvironment {
  readonly url: string | undefined;
  readonly tokenFile: string | undefined;
  readonly caFile: string | undefined;
  readonly profile: string | undefined;
  /** Where profiles are kept (XDG Base Directory Specification). */
  readonly configDirectory: string;
}

/** @throws UsageError for what would be dangerous to go on with. */
export function readEnvironment(variables: NodeJS.ProcessEnv): CliEnvironment {
  if (variables['NODE_TLS_REJECT_UNAUTHORIZED'] === '0') {
    throw new UsageError(
      'NODE_TLS_REJECT_UNAUTHORIZED=0 is refused: certificates are always verified; name the authority with --ca or QUAYMASTER_CA_FILE',
    );
  }
  if (set(variables['QUAYMASTER_TOKEN']) !== undefined) {
    throw new UsageError(
      'QUAYMASTER_TOKEN is refused: other processes can read an environment. Put the token into a file of mode 0600 and name it in QUAYMASTER_TOKEN_FILE',
    );
  }
  const base = set(variables['XDG_CONFIG_HOME']) ?? join(homedir(), '.config');
  return {
    url: set(variables['QUAYMASTER_URL']),
    tokenFile: set(variables['QUAYMASTER_TOKEN_FILE']),
    caFile: set(variables['QUAYMASTER_CA_FILE']),
    profile: set(variables['QUAYMASTER_PROFILE']),
    configDirectory: join(base, 'quaymaster'),
  };
}

function set(value: string | undefined): string | undefined {
  return value === '' ? undefined : value;
}
