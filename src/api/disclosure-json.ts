import { instant } from '../domain/instant.ts';
import type { Disclosure } from '../broker/secrets/read-secrets.ts';
import type { IssuedDisclosure } from '../broker/credentials/credential-order.ts';

/** A disclosure as an answer. The value's JSON bytes are copied unchanged and never parsed again. */
export function disclosureJson(disclosure: Disclosure | IssuedDisclosure): Buffer {
  const { path, value, lease } = disclosure;
  const head = `{"path":"${path}","version":${JSON.stringify(value.version)},"data":`;
  let tail = '';
  if (value.createdAt !== undefined) tail += `,"createdAt":"${instant(value.createdAt)}"`;
  if (value.stale) tail += ',"stale":true';
  if (lease !== undefined)
    tail += `,"lease":{"id":"${lease.id}","endsAt":"${instant(lease.endsAt)}"}`;
  if ('warning' in disclosure) tail += `,"warning":${JSON.stringify(disclosure.warning)}`;
  return spliced(head, value.json, `${tail}}`);
}

/** Several answers in one, in order. */
export function listJson(name: string, items: readonly Buffer[]): Buffer {
  const parts = items.flatMap((item, index) => (index === 0 ? [item] : [Buffer.from(','), item]));
  return Buffer.concat([Buffer.from(`{"${name}":[`), ...parts, Buffer.from(']}')]);
}

function spliced(head: string, bytes: Buffer, tail: string): Buffer {
  const headLength = Buffer.byteLength(head);
  const all = Buffer.allocUnsafe(headLength + bytes.length + Buffer.byteLength(tail));
  all.write(head, 0);
  bytes.copy(all, headLength);
  all.write(tail, headLength + bytes.length);
  return all;
}
