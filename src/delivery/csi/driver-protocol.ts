import type { ServiceDefinition } from '@grpc/grpc-js';
import { fromJSON } from '@grpc/proto-loader';

/**
 * Name of the service `v1alpha1.CSIDriverProvider` of the Secrets Store CSI driver (kubernetes-sigs/secrets-store-csi-driver,
 * provider/v1alpha1). Its names and numbers are the wire format.
 */
const SERVICE = 'CSIDriverProvider';

export interface VersionRequest {
  readonly version: string;
}

export interface VersionResponse {
  readonly version: string;
  readonly runtimeName: string;
  readonly runtimeVersion: string;
}

export interface ObjectVersion {
  readonly id: string;
  readonly version: string;
}

export interface MountRequest {
  /** Parameters of the SecretProviderClass as JSON; the kubelet's facts about the pod override them. */
  readonly attributes: string;
  readonly secrets: string;
  readonly targetPath: string;
  readonly permission: string;
  readonly currentObjectVersion: readonly ObjectVersion[];
}

export interface MountedFile {
  /** Path relative to the volume. */
  readonly path: string;
  /** Permission bits, 0 to 511. */
  readonly mode: number;
  readonly contents: Uint8Array;
}

/** Answer to a mount. `objectVersion` must not be empty: the driver takes that for a failure. */
export interface MountResponse {
  readonly objectVersion: readonly ObjectVersion[];
  readonly files: readonly MountedFile[];
}

/** Describes the service for grpc-js. */
export function driverService(): ServiceDefinition {
  const field = (type: string, id: number) => ({ type, id });
  const many = (type: string, id: number) => ({ rule: 'repeated', type, id });
  const message = (fields: Readonly<Record<string, object>>) => ({ fields: { ...fields } });
  const nested = {
    VersionRequest: message({ version: field('string', 1) }),
    VersionResponse: message({
      version: field('string', 1),
      runtimeName: field('string', 2),
      runtimeVersion: field('string', 3),
    }),
    ObjectVersion: message({ id: field('string', 1), version: field('string', 2) }),
    MountRequest: message({
      attributes: field('string', 1),
      secrets: field('string', 2),
      targetPath: field('string', 3),
      permission: field('string', 4),
      currentObjectVersion: many('ObjectVersion', 5),
    }),
    Error: message({ code: field('string', 1) }),
    File: message({
      path: field('string', 1),
      mode: field('int32', 2),
      contents: field('bytes', 3),
    }),
    MountResponse: message({
      objectVersion: many('ObjectVersion', 1),
      error: field('Error', 2),
      files: many('File', 3),
    }),
    [SERVICE]: {
      methods: {
        Version: { requestType: 'VersionRequest', responseType: 'VersionResponse' },
        Mount: { requestType: 'MountRequest', responseType: 'MountResponse' },
      },
    },
  };
  const definition = fromJSON({ nested: { v1alpha1: { nested } } } as never, { defaults: true });
  return definition[`v1alpha1.${SERVICE}`] as ServiceDefinition;
}
