import type { CallContext } from '../../../ports/call-context.ts';
import type { Guard } from '../../guard/guard.ts';
import type { KubernetesApi, KubernetesRequest } from './index.ts';
import { kubernetesError } from '../errors.ts';

/** The API server under the connection's guard: GET is repeated where it may help, nothing else is. */
export class GuardedApi {
  readonly server: string;
  readonly #api: KubernetesApi;
  readonly #guard: Guard;

  constructor(api: KubernetesApi, guard: Guard) {
    this.server = api.server;
    this.#api = api;
    this.#guard = guard;
  }

  call(request: KubernetesRequest, context: CallContext): Promise<unknown> {
    const work = (signal: AbortSignal): Promise<unknown> => this.#attempt(request, signal);
    return request.method === 'GET'
      ? this.#guard.read(context, work)
      : this.#guard.effect(context, work);
  }

  async #attempt(request: KubernetesRequest, signal: AbortSignal): Promise<unknown> {
    try {
      return await this.#api.call(request, signal);
    } catch (error) {
      throw kubernetesError(error);
    }
  }
}
