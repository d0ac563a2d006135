import { AsnConvert, OctetString } from '@peculiar/asn1-schema';
import {
  AlgorithmIdentifier,
  AttributeTypeAndValue,
  AttributeValue,
  BasicConstraints,
  Certificate,
  ExtendedKeyUsage,
  Extension,
  Extensions,
  GeneralName,
  id_ce_basicConstraints,
  id_ce_extKeyUsage,
  id_ce_keyUsage,
  id_ce_subjectAltName,
  id_kp_clientAuth,
  id_kp_serverAuth,
  KeyUsage,
  KeyUsageFlags,
  Name,
  RelativeDistinguishedName,
  SubjectAlternativeName,
  SubjectPublicKeyInfo,
  TBSCertificate,
  Validity,
  Version,
} from '@peculiar/asn1-x509';
import { detachedSignature } from '../signatures/detached-signature.ts';
import type { KeyPair, KeyType } from '../keys/key-pair.ts';
import { randomBytes } from '../random/random.ts';

const COMMON_NAME = '2.5.4.3';
const SERIAL_BYTES = 16;
const PEM_LINE = 64;

export interface CertificateSubject {
  readonly commonName?: string | undefined;
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/** Makes a version 3 certificate (RFC 5280) that its own key signs, in PEM. It is always a leaf, never an authority. */
export function selfSigned(type: KeyType, pair: KeyPair, subject: CertificateSubject): string {
  const algorithm = signatureAlgorithm(type);
  const name = nameOf(subject.commonName);
  const tbsCertificate = new TBSCertificate({
    version: Version.v3,
    serialNumber: serialNumber(),
    signature: algorithm,
    issuer: name,
    validity: new Validity({ notBefore: subject.notBefore, notAfter: subject.notAfter }),
    subject: name,
    subjectPublicKeyInfo: AsnConvert.parse(derOf(pair.publicKey), SubjectPublicKeyInfo),
    extensions: new Extensions(extensionsOf(type, subject)),
  });
  const signed = Buffer.from(AsnConvert.serialize(tbsCertificate));
  const signature = detachedSignature(pair.privateKey, signed);
  const certificate = new Certificate({
    tbsCertificate,
    signatureAlgorithm: algorithm,
    signatureValue: arrayBuffer(signature),
  });
  return pemOf(Buffer.from(AsnConvert.serialize(certificate)));
}

/** The algorithm identifier: RSA has NULL parameters, the others have none (RFC 4055, RFC 5758, RFC 8410). */
function signatureAlgorithm(type: KeyType): AlgorithmIdentifier {
  if (type === 'ed25519') return new AlgorithmIdentifier({ algorithm: '1.3.101.112' });
  if (type === 'ec-p256') return new AlgorithmIdentifier({ algorithm: '1.2.840.10045.4.3.2' });
  return new AlgorithmIdentifier({ algorithm: '1.2.840.113549.1.1.11', parameters: null });
}

/** A serial number that is positive and does not begin with a zero byte, as DER encodes an integer. */
function serialNumber(): ArrayBuffer {
  const bytes = randomBytes(SERIAL_BYTES);
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return arrayBuffer(bytes);
}

function nameOf(commonName: string | undefined): Name {
  if (commonName === undefined) return new Name();
  const value = new AttributeValue({ utf8String: commonName });
  const attribute = new AttributeTypeAndValue({ type: COMMON_NAME, value });
  return new Name([new RelativeDistinguishedName([attribute])]);
}

function extensionsOf(type: KeyType, subject: CertificateSubject): Extension[] {
  const enciphers = type.startsWith('rsa-') ? KeyUsageFlags.keyEncipherment : 0;
  const names = [
    ...subject.dnsNames.map((dNSName) => new GeneralName({ dNSName })),
    ...subject.ipAddresses.map((iPAddress) => new GeneralName({ iPAddress })),
  ];
  // Without a subject, the alternative names are the only identity, so the extension is critical (RFC 5280 section 4.2.1.6).
  const isNameless = subject.commonName === undefined;
  return [
    extension(id_ce_basicConstraints, true, new BasicConstraints({ cA: false })),
    extension(id_ce_keyUsage, true, new KeyUsage(KeyUsageFlags.digitalSignature | enciphers)),
    extension(id_ce_extKeyUsage, false, new ExtendedKeyUsage([id_kp_serverAuth, id_kp_clientAuth])),
    extension(id_ce_subjectAltName, isNameless, new SubjectAlternativeName(names)),
  ];
}

function extension(extnID: string, critical: boolean, value: object): Extension {
  const extnValue = new OctetString(AsnConvert.serialize(value));
  return new Extension({ extnID, critical, extnValue });
}

function derOf(pem: string): Buffer {
  return Buffer.from(pem.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64');
}

function pemOf(der: Buffer): string {
  const text = der.toString('base64');
  const lines = text.match(new RegExp(`.{1,${PEM_LINE}}`, 'g')) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

function arrayBuffer(bytes: Uint8Array): ArrayBuffer {
  return new Uint8Array(bytes).buffer;
}
