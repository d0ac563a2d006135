import { status } from '@grpc/grpc-js';
import { ApiError, UnreachableError } from '../../client/index.ts';

/** Each look at a volume would order another one. */
export const NO_CREDENTIALS = 'volumes have no credentials to order: let the agent deliver it';

/** Why a volume cannot be mounted, as the driver is told: a status of gRPC and words without any value. */
export class MountRefused extends Error {
  readonly code: status;

  constructor(code: status, message: string) {
    super(message);
    this.name = 'MountRefused';
    this.code = code;
  }

  /** What is not known stays inside. */
  static from(error: unknown): MountRefused {
    if (error instanceof MountRefused) return error;
    if (error instanceof ApiError) return new MountRefused(grpcStatus(error.status), error.message);
    if (error instanceof UnreachableError) {
      return new MountRefused(status.UNAVAILABLE, `the broker: ${error.message}`);
    }
    return new MountRefused(status.INTERNAL, 'internal error');
  }
}

const STATUSES: ReadonlyMap<number, status> = new Map([
  [400, status.INVALID_ARGUMENT],
  [401, status.UNAUTHENTICATED],
  [403, status.PERMISSION_DENIED],
  [404, status.NOT_FOUND],
  [409, status.FAILED_PRECONDITION],
  [429, status.UNAVAILABLE],
  [502, status.UNAVAILABLE],
  [503, status.UNAVAILABLE],
  [504, status.UNAVAILABLE],
]);

/** The driver tries again by itself only after UNAVAILABLE; the kubelet does, in its own time, after all of them. */
export function grpcStatus(http: number): status {
  return STATUSES.get(http) ?? status.INTERNAL;
}
