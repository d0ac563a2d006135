import { BrokerError } from '../../domain/errors.ts';
import type { Configuration, ConfigurationInUse } from '../../ports/configuration.ts';
import type { Call } from '../access/call.ts';
import type { Access, Recording } from '../state/dependencies.ts';
import { recordOperation, requireRole } from '../recording/operation.ts';
import type { LiveOperator } from '../state/operator-token-memory.ts';

/** Groups of the configuration; it is undefined if the broker has no configuration file. */
type Configured = Recording & Access & { readonly configuration: Configuration | undefined };

/** @throws ERR_DENIED, ERR_CONFLICT without a configuration file */
export function readConfiguration(
  parts: Configured,
  call: Call,
  caller: LiveOperator,
): Promise<ConfigurationInUse & { readonly settings: ReturnType<Configuration['settings']> }> {
  return recordOperation({ parts, call, caller }, { action: 'config.read' }, (operator) => {
    requireRole(operator, 'admin');
    const configuration = configurationOf(parts);
    return { ...configuration.inUse(), settings: configuration.settings() };
  });
}

/**
 * Reads the configuration file again and uses it.
 * @throws ERR_DENIED; ERR_CONFLICT that names every problem if the file is not valid or a change needs a restart: the old configuration stays in use
 */
export function reloadConfiguration(
  parts: Configured,
  call: Call,
  caller: LiveOperator,
): Promise<ConfigurationInUse> {
  return recordOperation({ parts, call, caller }, { action: 'config.reload' }, async (operator) => {
    requireRole(operator, 'admin');
    try {
      return await configurationOf(parts).reload();
    } catch (error) {
      throw refusal(error);
    }
  });
}

function refusal(error: unknown): unknown {
  if (!(error instanceof BrokerError) || error.code !== 'ERR_CONFIG_INVALID') return error;
  const { problems = [], message, cause } = error;
  const reason = 'config_invalid';
  // The later lines say the same as the problems.
  const [first = ''] = message.split('\n', 1);
  return problems.length === 0
    ? new BrokerError('ERR_CONFLICT', message, { reason, cause })
    : new BrokerError('ERR_CONFLICT', first, { reason, cause, problems });
}

function configurationOf({ configuration }: Configured): Configuration {
  if (configuration !== undefined) return configuration;
  throw new BrokerError(
    'ERR_CONFLICT',
    'the broker runs without a configuration file, in development mode: restart it instead',
  );
}
