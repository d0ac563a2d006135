import { BrokerError } from '../../domain/errors.ts';
import { documentTag, type StoredDocument } from './document.ts';

/**
 * RFC 9110 section 13: `If-None-Match: *` creates. `If-Match: "<tag>"` replaces the version that the caller read; `If-Match: *` replaces
 * any.
 */
export interface Precondition {
  readonly ifNoneMatch?: '*' | undefined;
  readonly ifMatch?: string | undefined;
  /** The document is absent, or this writer wrote it last. Only the broker's own editor for a cluster sends it. */
  readonly writtenBy?: string | undefined;
}

/**
 * @throws ERR_PRECONDITION_REQUIRED without a precondition, ERR_VERSION_CONFLICT if it fails, ERR_NOT_FOUND for `If-Match: *` on an absent
 * document, ERR_CONFLICT if another writer wrote it.
 */
export function checkPrecondition(
  precondition: Precondition,
  current: StoredDocument | undefined,
): void {
  if (precondition.writtenBy !== undefined) {
    if (current === undefined || current.updatedBy === precondition.writtenBy) return;
    throw new BrokerError(
      'ERR_CONFLICT',
      `"${current.updatedBy}" wrote the ${current.kind} "${current.name}"; delete it, or choose another name`,
    );
  }
  if (precondition.ifNoneMatch !== undefined) {
    if (current !== undefined) throw conflict('it exists already');
  } else if (precondition.ifMatch !== undefined) {
    if (current === undefined) throw new BrokerError('ERR_NOT_FOUND');
    if (precondition.ifMatch !== '*' && precondition.ifMatch !== documentTag(current)) {
      throw conflict('it was changed since it was read; read it again');
    }
  } else {
    throw new BrokerError(
      'ERR_PRECONDITION_REQUIRED',
      'send If-None-Match: * to create, or If-Match with the ETag that was read to replace or delete',
    );
  }
}

function conflict(detail: string): BrokerError {
  return new BrokerError('ERR_VERSION_CONFLICT', detail);
}
