import { fileURLToPath } from 'node:url';
import { credentials, loadPackageDefinition, type Client, type ServiceError } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { dump } from 'js-yaml';

const PROTO = fileURLToPath(new URL('csi-driver.proto', import.meta.url));

type Unary = (
  request: object,
  done: (error: ServiceError | null, response: unknown) => void,
) => void;

export interface Mounted {
  readonly object_version: readonly { readonly id: string; readonly version: string }[];
  readonly files: readonly {
    readonly path: string;
    readonly mode: number;
    readonly contents: Buffer;
  }[];
}

interface OfPod {
  readonly token: string;
  readonly attributes?: Readonly<Record<string, string>>;
}

/** The Secrets Store CSI driver from a provider's point of view, with its own copy of the protocol. */
export class CsiDriver {
  readonly #client: Client;

  constructor(socket: string) {
    const definition = loadSync(PROTO, { keepCase: true, defaults: true });
    const { v1alpha1 } = loadPackageDefinition(definition) as unknown as {
      v1alpha1: { CSIDriverProvider: new (...of: unknown[]) => Client };
    };
    const options = { 'grpc.default_authority': 'localhost' };
    const insecure = credentials.createInsecure();
    this.#client = new v1alpha1.CSIDriverProvider(`unix:${socket}`, insecure, options);
  }

  close(): void {
    this.#client.close();
  }

  version(): Promise<unknown> {
    return this.#call('Version', { version: 'v1alpha1' });
  }

  /** The driver's call for a volume of the pod `prod/api-0`. */
  async mount(objects: unknown, { token, attributes = {} }: OfPod): Promise<Mounted> {
    const all = {
      objects: typeof objects === 'string' ? objects : dump(objects),
      'csi.storage.k8s.io/pod.name': 'api-0',
      'csi.storage.k8s.io/pod.namespace': 'prod',
      'csi.storage.k8s.io/serviceAccount.tokens': JSON.stringify({
        quaymaster: { token, expirationTimestamp: '2030-01-01T00:00:00Z' },
      }),
      ...attributes,
    };
    return (await this.#call('Mount', {
      attributes: JSON.stringify(all),
      secrets: '{}',
      target_path: '/var/lib/kubelet/pods/x/volumes/y/mount',
      permission: '420',
      current_object_version: [],
    })) as Mounted;
  }

  #call(method: 'Version' | 'Mount', request: object): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const call = (this.#client as unknown as Record<string, Unary>)[method]!;
    call.call(this.#client, request, (error, response) => {
      if (error === null) resolve(response);
      else reject(error);
    });
    return promise;
  }
}
