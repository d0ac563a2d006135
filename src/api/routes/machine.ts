import { BrokerError } from '../../domain/errors.ts';
import type { LiveOperator } from '../../broker/sessions/operator-token-memory.ts';
import { JSON_TYPE } from '../answers.ts';
import type { MachineFacts } from '../machine-facts.ts';
import type { Routes } from '../route.ts';

type MachineRoutes = Pick<Routes, 'readHealth' | 'readReadiness' | 'readMetrics' | 'readOpenApi'>;

/** What machines ask of the broker. No answer names a path, a workload or a version. */
export function machineRoutes(facts: MachineFacts): MachineRoutes {
  return {
    readHealth: { read: () => () => Promise.resolve({ status: 200, body: { status: 'ok' } }) },
    readReadiness: {
      read: () => () => {
        const reasons = facts.unready();
        const status = reasons.length === 0 ? 200 : 503;
        const [held, warnings] = [facts.held(), facts.warnings()];
        const body = {
          ready: status === 200,
          reasons,
          ...(held.length > 0 && { held }),
          ...(warnings.length > 0 && { warnings }),
        };
        return Promise.resolve({ status, body });
      },
    },
    readMetrics: {
      read:
        () =>
        async ({ caller }) => {
          requireAnyRole(caller);
          if (!facts.servesMetrics) throw new BrokerError('ERR_NOT_FOUND');
          const headers = ['Content-Type', facts.metrics.contentType];
          return { status: 200, headers, body: await facts.metrics.metrics() };
        },
    },
    readOpenApi: {
      read: () => () => Promise.resolve({ status: 200, headers: JSON_TYPE, body: facts.openApi }),
    },
  };
}

/** An operator whose document lost its grants keeps its token. @throws ERR_DENIED */
function requireAnyRole({ operator }: LiveOperator): void {
  if (operator.grants.length === 0) {
    throw new BrokerError('ERR_DENIED', undefined, { reason: 'no_role' });
  }
}
