import { BrokerError } from '../../../domain/errors.ts';

/** A secret and one of its members. `stage` and `versionId` are set only if a reference names them; otherwise the mount's stage applies. */
export interface AwsLocation {
  readonly name: string;
  readonly stage?: string | undefined;
  readonly versionId?: string | undefined;
  readonly jsonKey?: string | undefined;
}

/** A secret's name contains neither `?` nor `#`, so each text has one meaning. */
const LOCATOR = /^([^?#]+)(?:\?(stage|version)=([^?#]+))?(?:#([^?#]+))?$/;

/** Formats `name`, then `?stage=…` or `?version=…`, then `#jsonKey`. */
export function formatLocation({ name, stage, versionId, jsonKey }: AwsLocation): string {
  let text = name;
  if (stage !== undefined) text += `?stage=${stage}`;
  if (versionId !== undefined) text += `?version=${versionId}`;
  return jsonKey === undefined ? text : `${text}#${encodeURIComponent(jsonKey)}`;
}

/** @throws ERR_INTERNAL for a text that `formatLocation` did not write. */
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
