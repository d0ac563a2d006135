import { isUnder } from '../../domain/words/names.ts';
import type { CheckReport, SecretProvider } from '../../ports/secret-provider.ts';
import type { Call } from '../access/call.ts';
import { orNotFound, type StoredDocument } from '../model/document.ts';
import { recordOperation, requireRole } from '../recording/operation.ts';
import type { Access, Backends, Recording, Rights } from '../state/dependencies.ts';
import type { LiveOperator } from '../state/operator-token-memory.ts';

/** Checks the mount's connection and provider, and reports problems. @throws ERR_DENIED, ERR_NOT_FOUND */
export async function checkMount(
  parts: Recording & Access & Pick<Backends, 'connections'>,
  call: Call,
  live: LiveOperator,
  name: string,
): Promise<CheckReport> {
  const document = { kind: 'mount', name };
  return recordOperation(
    { parts, call, caller: live },
    { action: 'document.check', document },
    async (operator) => {
      requireRole(operator, 'admin', 'responder');
      const mount = orNotFound(parts.catalog.find('mount', name));
      const bound = parts.connections.find(mount.spec.connection);
      if (bound === undefined) {
        return {
          healthy: false,
          findings: [`the connection "${mount.spec.connection}" is not in the configuration file`],
        };
      }
      const connection = await bound.connection.check(call.context());
      if (!connection.healthy) return connection;
      const provider = parts.connections.provider(mount);
      const { healthy, findings } = await provider.check(call.context());
      return { healthy, findings: [...findings, ...aliases(parts, mount, provider)] };
    },
  );
}

/** The most aliases in a report; a mount may have any number of definitions. */
const MOST_ALIASES = 100;

/**
 * Lists the definitions through which a path reaches the locator of another path. Policies for that other path do not apply to
 * them.
 */
function aliases(
  parts: Pick<Rights, 'catalog'>,
  mount: StoredDocument<'mount'>,
  provider: SecretProvider,
): readonly string[] {
  const { prefix } = mount.spec;
  const lines: string[] = [];
  let more = 0;
  for (const { name, spec } of parts.catalog.all('definition')) {
    if (spec.ref === undefined || !isUnder(name, prefix)) continue;
    const rest = provider.restOf(spec.ref);
    const path = rest === undefined ? undefined : `${prefix}/${rest}`;
    if (path === name) continue;
    if (lines.length === MOST_ALIASES) more += 1;
    else
      lines.push(
        `"${name}" is an alias of ${path === undefined ? 'a place that no path has' : `"${path}"`}`,
      );
  }
  return more === 0 ? lines : [...lines, `${more} more aliases`];
}
