import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DevIssuer } from '../../src/program/dev/issuer.ts';
import { installedProgram } from '../../test/kit/backends/cache.ts';
import { openBaoCall } from '../../test/kit/backends/openbao-calls.ts';
import { OPENBAO } from '../../test/kit/backends/recipes.ts';
import { SECRET } from '../sample.ts';
import type { Peer } from '../servers/open-bao.ts';
import type { Stage } from '../stage.ts';
import type { Contender } from './start-up.ts';

const SECRETS = 10;
const READER = 'path "secret/data/bench/*" { capabilities = ["read"] }';

/**
 * OpenBao's agent. It reads ten secrets from its own server, each with a template. It logs in with the same pod token, which is also
 * verified offline.
 */
export async function baoAgent(
  stage: Stage,
  { bao }: Peer,
  place: { readonly token: string; readonly directory: string },
): Promise<Contender> {
  const directory = join(place.directory, 'bao');
  await mkdir(directory);
  const names = Array.from({ length: SECRETS }, (_, index) => `db${index}`);
  for (const name of names)
    await openBaoCall(bao, 'POST', `secret/data/bench/${name}`, { data: SECRET });
  await openBaoCall(bao, 'POST', 'sys/policies/acl/bench-agent', { policy: READER });
  await openBaoCall(bao, 'POST', 'auth/jwt/role/bench-agent', {
    role_type: 'jwt',
    user_claim: 'sub',
    bound_audiences: [DevIssuer.audience],
    token_ttl: '1h',
    token_policies: ['bench-agent'],
  });
  const tokenFile = await stage.write('bao-agent.token', place.token);
  const config = await stage.write(
    'bao-agent.hcl',
    configOf({ address: bao.address, tokenFile, directory, names }),
  );
  return {
    files: names.map((name) => join(directory, `${name}.json`)),
    directory,
    command: installedProgram(OPENBAO),
    args: ['agent', `-config=${config}`, '-log-level=error'],
    env: {},
  };
}

interface Facts {
  readonly address: string;
  readonly tokenFile: string;
  readonly directory: string;
  readonly names: readonly string[];
}

function configOf({ address, tokenFile, directory, names }: Facts): string {
  const quote = JSON.stringify;
  const templates = names.map(
    (name) => `
template {
  contents = ${quote(`{{ with secret "secret/data/bench/${name}" }}{{ .Data.data | toJSON }}{{ end }}`)}
  destination = ${quote(join(directory, `${name}.json`))}
  perms = "0400"
}`,
  );
  return `
vault { address = ${quote(address)} }
auto_auth {
  method "jwt" {
    mount_path = "auth/jwt"
    config = { path = ${quote(tokenFile)}, role = "bench-agent", remove_jwt_after_reading = false }
  }
}
${templates.join('\n')}
`;
}
