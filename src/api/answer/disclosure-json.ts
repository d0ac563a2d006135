import type { IssuedDisclosure } from '../../broker/leases/credential-order.ts';
import type { Disclosure } from '../../broker/secrets/read-secrets.ts';
import { ByteText } from '../../domain/words/byte-text.ts';
import { instant } from '../../domain/time/instant.ts';

/** A disclosure as an answer. The value's JSON bytes are inserted unchanged and never parsed again. */
export function disclosureJson(disclosure: Disclosure | IssuedDisclosure): ByteText {
  const { path, value, lease } = disclosure;
  const head = `{"path":"${path}","version":${JSON.stringify(value.version)},"data":`;
  let tail = '';
  if (value.createdAt !== undefined) tail += `,"createdAt":"${instant(value.createdAt)}"`;
  if (value.stale) tail += ',"stale":true';
  if (lease !== undefined)
    tail += `,"lease":{"id":"${lease.id}","endsAt":"${instant(lease.endsAt)}"}`;
  if ('warning' in disclosure) tail += `,"warning":${JSON.stringify(disclosure.warning)}`;
  const json = value.json.toString('latin1');
  return new ByteText(`${ByteText.of(head).latin1}${json}${ByteText.of(tail).latin1}}`);
}

/** Joins several answers into one list, in order. */
export function listJson(name: string, items: readonly ByteText[]): ByteText {
  let all = '';
  for (const { latin1 } of items) all += all === '' ? latin1 : `,${latin1}`;
  return new ByteText(`{"${name}":[${all}]}`);
}
