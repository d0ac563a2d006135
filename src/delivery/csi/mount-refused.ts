import { status } from '@grpc/grpc-js';
import { ApiError, UnreachableError } from '../../client/index.ts';

/** Message for dynamic credentials: each poll of a volume would issue another one. */
export const NO_CREDENTIALS = 'volumes cannot have dynamic credentials: use the agent';

/** Refusal to mount a volume: a gRPC status and a message without any value. */
export class MountRefused extends Error {
  readonly code: status;

  constructor(code: status, message: string) {
    super(message);
    this.name = 'MountRefused';
    this.code = code;
  }

  /** Unexpected errors are not described. */
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

/** The driver retries by itself only after UNAVAILABLE; the kubelet retries after every status. */
export function grpcStatus(http: number): status {
  return STATUSES.get(http) ?? status.INTERNAL;
}
