import * as z from 'zod';
import type { CallContext } from '../../../ports/call-context.ts';
import type { CheckReport } from '../../../ports/secret-provider.ts';
import type { VaultClient } from '../client/client.ts';
import { Findings, isCode } from './findings.ts';

/** Returns the health state in a success answer instead of an error status. */
const HEALTH = 'sys/health?standbyok=true&perfstandbyok=true&sealedcode=200&uninitcode=200';

const healthSchema = z.object({
  initialized: z.boolean(),
  sealed: z.boolean(),
  version: z.string().regex(/^[\w.+-]{1,64}$/),
});
const tokenSchema = z.object({ data: z.object({ ttl: z.int().min(0) }) });

/** Checks that the server is available and accepts the broker's login. */
export async function checkServer(client: VaultClient, context: CallContext): Promise<CheckReport> {
  const findings = new Findings();
  if (await serves(client, context, findings)) await isAccepted(client, context, findings);
  return findings.report();
}

async function serves(
  client: VaultClient,
  context: CallContext,
  findings: Findings,
): Promise<boolean> {
  try {
    const health = healthSchema.safeParse(
      await client.anonymous({ method: 'GET', path: HEALTH }, context),
    );
    if (!health.success) {
      findings.problem('GET sys/health: this is not a Vault or OpenBao; correct `address`');
    } else if (!health.data.initialized) {
      findings.problem('GET sys/health: the server is not initialised; initialise and unseal it');
    } else if (health.data.sealed) {
      findings.problem('GET sys/health: the server is sealed; unseal it');
    } else {
      findings.note(`GET sys/health: version ${health.data.version}, serving`);
      return true;
    }
  } catch (error) {
    findings.failure('GET sys/health', error, remedyFor(error));
  }
  return false;
}

async function isAccepted(
  client: VaultClient,
  context: CallContext,
  findings: Findings,
): Promise<void> {
  const request = { verb: 'tokenLookupSelf' } as const;
  try {
    const token = tokenSchema.safeParse(await client.read(request, context));
    if (!token.success) findings.problem('GET auth/token/lookup-self: the answer cannot be read');
    else if (token.data.data.ttl === 0) {
      findings.note(
        'GET auth/token/lookup-self: the broker’s token never ends; use a login method',
      );
    } else findings.note(`GET auth/token/lookup-self: accepted for ${token.data.data.ttl} s more`);
  } catch (error) {
    findings.failure('the broker’s own token', error, loginRemedy(error));
  }
}

function remedyFor(error: unknown): string {
  if (isCode(error, 'ERR_PROVIDER_UNAVAILABLE', 'tls')) {
    return 'correct `caFile` and `serverName`, or the certificate of the server';
  }
  return 'check `address`, the network between and whether the server runs';
}

function loginRemedy(error: unknown): string {
  if (isCode(error, 'ERR_PROVIDER_UNAVAILABLE', 'credential_file')) {
    return 'check the file that `auth` names: there, readable, one credential in it';
  }
  if (isCode(error, 'ERR_PROVIDER_DENIED', 'login_refused')) {
    return 'check `auth`: mount, role and credential, and what the role demands of them';
  }
  return 'the token is not valid, or lacks `read` on auth/token/lookup-self (policy `default`)';
}
