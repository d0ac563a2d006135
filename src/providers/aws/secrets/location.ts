import { BrokerError } from '../../../domain/errors.ts';

/** What of which secret; `stage` and `versionId` only where a reference says so, else the mount's stage holds. */
export interface AwsLocation {
  readonly name: string;
  readonly stage?: string | undefined;
  readonly versionId?: string | undefined;
  readonly jsonKey?: string | undefined;
}

/** Neither `?` nor `#` occurs in a secret's name, so that one text has one meaning. */
const LOCATOR = /^([^?#]+)(?:\?(stage|version)=([^?#]+))?(?:#([^?#]+))?$/;

/** `name`, then `?stage=…` or `?version=…`, then `#jsonKey`. */
export function formatLocation({ name, stage, versionId, jsonKey }: AwsLocation): string {
  let text = name;
  if (stage !== undefined) text += `?stage=${stage}`;
  if (versionId !== undefined) text += `?version=${versionId}`;
  return jsonKey === undefined ? text : `${text}#${encodeURIComponent(jsonKey)}`;
}

/** @throws ERR_INTERNAL for a text that `formatLocation` did not make. */
export function parseLocation(locator: string): AwsLocation {
  const [whole, name, selector, selected, jsonKey] = LOCATOR.exec(locator) ?? [];
  if (whole === undefined || name === undefined) throw new BrokerError('ERR_INTERNAL');
  return {
    name,
    ...(selector === 'stage' && { stage: selected }),
    ...(selector === 'version' && { versionId: selected }),
    ...(jsonKey !== undefined && { jsonKey: decodeURIComponent(jsonKey) }),
  };
}
