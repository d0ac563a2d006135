import * as z from 'zod';
import { BrokerError } from '../../domain/errors.ts';
import type { Clock } from '../../ports/clock.ts';
import { withDeadline } from '../../ports/deadline.ts';
import type { KubernetesApi, KubernetesRequest } from '../../ports/kubernetes-api.ts';

const TIMEOUT_MS = 5_000;
/** Content type of a patch that merges lists by the names of their items. */
const STRATEGIC_MERGE = 'application/strategic-merge-patch+json';

const configurationSchema = z.looseObject({
  metadata: z.looseObject({ resourceVersion: z.string() }),
  webhooks: z
    .array(
      z.looseObject({
        name: z.string(),
        clientConfig: z.looseObject({ caBundle: z.string().optional() }),
      }),
    )
    .default([]),
});

/** One MutatingWebhookConfiguration or ValidatingWebhookConfiguration. The operator creates it; this keeps its `caBundle`s current. */
export class WebhookConfiguration {
  readonly #api: KubernetesApi;
  readonly #kind: 'mutating' | 'validating';
  readonly #name: string;
  readonly #clock: Clock;

  constructor(
    api: KubernetesApi,
    { kind, name }: { readonly kind: 'mutating' | 'validating'; readonly name: string },
    clock: Clock,
  ) {
    this.#api = api;
    this.#kind = kind;
    this.#name = name;
    this.#clock = clock;
  }

  /**
   * Sets the bundle of each webhook to `change` of its present one. Writes only differences, and only if the object is unchanged since it was read.
   * @param signal cancels. @returns whether something was written. @throws BrokerError as the API server answers; ERR_CONFLICT after a concurrent write
   */
  async changeBundles(
    change: (bundle: string | undefined) => string,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { metadata, webhooks } = await this.#read(signal);
    if (webhooks.length === 0) {
      throw new BrokerError('ERR_CONFIG_INVALID', `${this.#name} has no webhooks`);
    }
    const changed = webhooks
      .map(({ name, clientConfig: { caBundle } }) => ({ name, caBundle, next: change(caBundle) }))
      .filter(({ caBundle, next }) => caBundle !== next)
      .map(({ name, next }) => ({ name, clientConfig: { caBundle: next } }));
    if (changed.length === 0) return false;
    const { resourceVersion } = metadata;
    const body = { metadata: { resourceVersion }, webhooks: changed };
    await this.#call({ method: 'PATCH', body, contentType: STRATEGIC_MERGE }, signal);
    return true;
  }

  async #read(signal: AbortSignal): Promise<z.infer<typeof configurationSchema>> {
    const parsed = configurationSchema.safeParse(await this.#call({ method: 'GET' }, signal));
    if (parsed.success) return parsed.data;
    throw new BrokerError('ERR_PROVIDER_MALFORMED');
  }

  #call(request: Omit<KubernetesRequest, 'path'>, signal: AbortSignal): Promise<unknown> {
    const path = [
      'apis',
      'admissionregistration.k8s.io',
      'v1',
      `${this.#kind}webhookconfigurations`,
      this.#name,
    ];
    return withDeadline(this.#clock, TIMEOUT_MS, (deadline) =>
      this.#api.call({ ...request, path }, AbortSignal.any([signal, deadline])),
    );
  }
}
