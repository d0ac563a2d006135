import { generateKeyPairSync, hash, randomBytes, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

/** Certificate with its key, as PEM. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

export interface CertificateRequest {
  readonly commonName: string;
  readonly dnsNames?: readonly string[];
  readonly ipAddresses?: readonly string[];
  readonly notBefore?: Date;
  readonly notAfter?: Date;
  readonly uris?: readonly string[];
  /** First byte of the key usage, such as 0x80 for digital signatures; absent: without the extension. */
  readonly keyUsage?: number;
  /** OIDs in hexadecimal. */
  readonly extendedKeyUsage?: readonly string[];
  /** The certificate of an authority. */
  readonly isAuthority?: boolean;
}

/**
 * A certificate authority of one test: X.509 v3 (RFC 5280) over P-256. It is implemented here because Node can read certificates but not
 * create them.
 */
export class CertificateAuthority {
  readonly cert: string;
  readonly #name: Buffer;
  readonly #key: KeyObject;
  /** RFC 5280 §4.2.1.1, which strict verifiers (Python 3.13) require. */
  readonly #keyId: Buffer;

  constructor(commonName = 'test authority', notAfter?: Date) {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    this.#key = privateKey;
    this.#name = distinguishedName(commonName);
    this.#keyId = hash('sha256', spki(publicKey), 'buffer').subarray(0, 20);
    const extensions = [
      extension('551d13', sequence(boolean(true)), true),
      extension('551d0f', tlv(0x03, KEY_CERT_SIGN), true),
      extension('551d0e', tlv(0x04, this.#keyId), false),
    ];
    const request = { commonName, ...(notAfter !== undefined && { notAfter }) };
    this.cert = this.#sign(request, this.#name, spki(publicKey), extensions);
  }

  issue(request: CertificateRequest): Certificate {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const names = [
      ...(request.dnsNames ?? []).map((name) => tlv(0x82, Buffer.from(name))),
      ...(request.ipAddresses ?? []).map((address) => tlv(0x87, ipv4(address))),
      ...(request.uris ?? []).map((uri) => tlv(0x86, Buffer.from(uri))),
    ];
    const extensions = [
      extension('551d23', sequence(tlv(0x80, this.#keyId)), false),
      ...(names.length === 0 ? [] : [extension('551d11', sequence(...names), false)]),
      ...(request.isAuthority === true ? [extension('551d13', sequence(boolean(true)), true)] : []),
      ...(request.keyUsage === undefined
        ? []
        : [extension('551d0f', tlv(0x03, Buffer.from([0, request.keyUsage])), true)]),
      ...(request.extendedKeyUsage === undefined
        ? []
        : [extension('551d25', sequence(...request.extendedKeyUsage.map(oid)), false)]),
    ];
    const subject = distinguishedName(request.commonName);
    const cert = this.#sign(request, subject, spki(publicKey), extensions);
    return { cert, key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string };
  }

  #sign(
    request: CertificateRequest,
    subject: Buffer,
    publicKey: Buffer,
    extensions: readonly Buffer[],
  ): string {
    const { notBefore = new Date(Date.now() - 3_600_000) } = request;
    const { notAfter = new Date(Date.now() + 86_400_000) } = request;
    const body = sequence(
      tlv(0xa0, integer(Buffer.from([2]))),
      integer(serialNumber()),
      ECDSA_SHA256,
      this.#name,
      sequence(time(notBefore), time(notAfter)),
      subject,
      publicKey,
      ...(extensions.length === 0 ? [] : [tlv(0xa3, sequence(...extensions))]),
    );
    const signature = sign('sha256', body, this.#key);
    return pem(sequence(body, ECDSA_SHA256, bitString(signature)));
  }
}

function tlv(tag: number, ...contents: readonly Buffer[]): Buffer {
  const content = Buffer.concat(contents);
  const { length } = content;
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content]);
  const size = length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

function sequence(...contents: readonly Buffer[]): Buffer {
  return tlv(0x30, ...contents);
}

function oid(hex: string): Buffer {
  return tlv(0x06, Buffer.from(hex, 'hex'));
}

/** Algorithm ecdsa-with-SHA256 (RFC 5758 §3.2). */
const ECDSA_SHA256 = sequence(oid('2a8648ce3d040302'));

/** The key usage of an authority as a bit string: bit 5 of 8, two unused. */
const KEY_CERT_SIGN = Buffer.from([2, 0x04]);

/** Positive and without a leading zero byte, as DER requires. */
function serialNumber(): Buffer {
  return Buffer.concat([Buffer.from([0x40]), randomBytes(15)]);
}

function boolean(value: boolean): Buffer {
  return tlv(0x01, Buffer.from([value ? 0xff : 0]));
}

function integer(magnitude: Buffer): Buffer {
  const positive =
    (magnitude[0] ?? 0) & 0x80 ? Buffer.concat([Buffer.from([0]), magnitude]) : magnitude;
  return tlv(0x02, positive);
}

function bitString(bytes: Buffer): Buffer {
  return tlv(0x03, Buffer.from([0]), bytes);
}

function distinguishedName(commonName: string): Buffer {
  return sequence(tlv(0x31, sequence(oid('550403'), tlv(0x0c, Buffer.from(commonName)))));
}

function time(date: Date): Buffer {
  const digits = date.toISOString().replace(/[-:T]/g, '').slice(0, 14);
  return tlv(0x18, Buffer.from(`${digits}Z`));
}

function extension(id: string, value: Buffer, critical: boolean): Buffer {
  return sequence(oid(id), ...(critical ? [boolean(true)] : []), tlv(0x04, value));
}

function ipv4(address: string): Buffer {
  return Buffer.from(address.split('.').map(Number));
}

function spki(key: KeyObject): Buffer {
  return key.export({ type: 'spki', format: 'der' });
}

function pem(der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}
