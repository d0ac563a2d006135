import { actorName, type LogRecord } from './log-record.ts';

const OUTCOMES = { ok: 'success', deny: 'failure', error: 'failure' } as const;
/**
 * Control and format characters, such as those that reverse the direction of text, and line separators. JSON escapes of entries hide them until they are
 * parsed; no reader of lines may get them.
 */
const CONTROLS = /[^\P{Cc}\n\r]|[\p{Cf}\p{Zl}\p{Zp}]/gu;

/** A message in ArcSight's Common Event Format, version 0, on one line. */
export function cefMessage(record: LogRecord): string {
  const { entry, severity } = record;
  const header = ['CEF:0', 'Quaymaster', 'Quaymaster', '1', entry.action, entry.action, severity];
  const extension = Object.entries(extensionOf(record))
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}=${escapeValue(String(value))}`);
  return `${header.map((field) => escapeHeader(String(field))).join('|')}|${extension.join(' ')}`;
}

function extensionOf(record: LogRecord): Readonly<Record<string, string | number | undefined>> {
  const { entry, row, object, time, located } = record;
  const { client, policy, endsAt } = entry;
  return {
    rt: time,
    cat: row.resource,
    act: entry.outcome,
    outcome: OUTCOMES[entry.outcome],
    reason: entry.reason ?? entry.code,
    suser: actorName(entry),
    suid: entry.actor?.session ?? entry.actor?.token,
    duser: entry.workload,
    ...addressOf(client?.address),
    request: client?.target,
    requestClientApplication: client?.userAgent,
    end: endsAt === undefined ? undefined : Date.parse(endsAt),
    cnt: entry.count,
    msg: entry.comment,
    externalId: located.index,
    deviceExternalId: entry.writer,
    ...labelled('cs1', 'object', object),
    ...labelled('cs2', 'version', entry.version),
    ...labelled('cs3', 'policy', policy && `${policy.name} ${policy.version} ${policy.rule}`),
    ...labelled('cs4', 'requestId', entry.requestId),
    ...labelled('cs5', 'leafHash', located.leafHash),
    ...labelled('cs6', 'logOrigin', located.origin),
  };
}

/** `src` is an IPv4 address; an IPv6 address has its own field. */
function addressOf(address: string | undefined): Readonly<Record<string, string | undefined>> {
  return address?.includes(':') === true
    ? labelled('c6a2', 'Source IPv6 Address', address)
    : { src: address };
}

function labelled(
  field: string,
  label: string,
  value: string | undefined,
): Readonly<Record<string, string | undefined>> {
  return value === undefined ? {} : { [`${field}Label`]: label, [field]: value };
}

/** Escapes a text for the header: a backslash precedes a bar or a backslash; line ends have no escape there. */
export function escapeHeader(text: string): string {
  const plain = text.replaceAll(/[\r\n]/g, ' ').replaceAll(CONTROLS, '?');
  return plain.replaceAll(/[\\|]/g, (character) => `\\${character}`);
}

/** Escapes a text for a value: a backslash precedes an equals sign or a backslash, and line ends are written as letters. */
export function escapeValue(text: string): string {
  const plain = text.replaceAll(CONTROLS, '?');
  const escaped = plain.replaceAll(/[\\=]/g, (character) => `\\${character}`);
  return escaped.replaceAll('\n', String.raw`\n`).replaceAll('\r', String.raw`\r`);
}
