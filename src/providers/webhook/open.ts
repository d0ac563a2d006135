import type { Clock } from '../../ports/clock.ts';
import type { RotationConnection } from '../../ports/rotation-target.ts';
import { systemResolve, type Resolve } from './addresses.ts';
import { type WebhookConnectionConfig, webhookOptions } from './config.ts';
import { WebhookEndpoint } from './client.ts';
import { parseOptions } from '../parse-options.ts';
import { unknownStrategy } from '../rotator/options.ts';
import { Deliveries } from './deliveries.ts';
import { WebhookTarget } from './rotator.ts';

interface WebhookParts {
  readonly clock: Clock;
  /** The system's own unless told. */
  readonly resolve?: Resolve;
}

const STRATEGY = 'webhook';

/** Credentials that a receiver of signed posts changes for us; docs/spec/webhook-v1.md. */
export function connectWebhook(
  name: string,
  config: WebhookConnectionConfig,
  { clock, resolve = systemResolve }: WebhookParts,
): RotationConnection {
  const deliveries = new Deliveries(config, new WebhookEndpoint(config, resolve), clock);
  return {
    name,
    kind: 'webhook',
    target(strategy, options) {
      if (strategy !== STRATEGY) throw unknownStrategy([STRATEGY]);
      return new WebhookTarget(parseOptions(webhookOptions, options), deliveries);
    },
  };
}
