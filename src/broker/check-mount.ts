import type { CheckReport } from '../ports/secret-provider.ts';
import type { Call } from './call.ts';
import { found } from './documents/document.ts';
import { recordOperation, requireRole } from './operation.ts';
import type { Parts } from './parts.ts';
import type { LiveOperator } from './state/operator-tokens.ts';

/** Asks the mount's connection and its provider what is wrong, if anything. @throws ERR_DENIED, ERR_NOT_FOUND */
export async function checkMount(
  parts: Parts,
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
      const mount = found(parts.catalog.find('mount', name));
      const bound = parts.connections.find(mount.spec.connection);
      if (bound === undefined) {
        return {
          healthy: false,
          findings: [`the connection "${mount.spec.connection}" is not in the configuration file`],
        };
      }
      const connection = await bound.connection.check(call.context());
      if (!connection.healthy) return connection;
      return parts.connections.provider(mount).check(call.context());
    },
  );
}
