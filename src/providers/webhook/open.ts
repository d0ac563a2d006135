import type { Backend } from '../../ports/backend.ts';
import { systemResolve, type Resolve } from '../server/addresses.ts';
import { type WebhookConnectionConfig, webhookOptions } from './config.ts';
import { WebhookEndpoint } from './client.ts';
import type { GuardParts } from '../guard/guard.ts';
import { parseOptions } from '../parse-options.ts';
import { unknownStrategy } from '../rotator/options.ts';
import { Deliveries } from './deliveries.ts';
import { WebhookTarget } from './rotator.ts';

interface WebhookDeps extends GuardParts {
  /** Resolver of host names; default: the system's. */
  readonly resolve?: Resolve;
}

const STRATEGY = 'webhook';

/** A receiver of signed requests that changes credentials for the broker; internals/spec/webhook-v1.md. Sends nothing yet. */
export function openWebhook(
  name: string,
  config: WebhookConnectionConfig,
  { resolve = systemResolve, ...parts }: WebhookDeps,
): Required<Pick<Backend, 'rotation' | 'calls' | 'close'>> {
  const deliveries = new Deliveries(config, new WebhookEndpoint(config, resolve), parts);
  return {
    rotation: {
      name,
      kind: 'webhook',
      target(strategy, options) {
        if (strategy !== STRATEGY) throw unknownStrategy([STRATEGY]);
        return new WebhookTarget(parseOptions(webhookOptions, options), deliveries);
      },
    },
    calls: () => deliveries.state(),
    close: () => undefined,
  };
}
