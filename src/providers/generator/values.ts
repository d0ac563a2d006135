import { readCertificate } from '../../crypto/certificate-facts.ts';
import { generateKeyPair, readKeyPair } from '../../crypto/key-pair.ts';
import type { SecretData } from '../../domain/secret.ts';
import type { Clock } from '../../ports/clock.ts';
import type { TargetVerdict } from '../../ports/rotation-target.ts';
import type { CertificateOptions } from './config.ts';
import type { MadeValue } from './made-value.ts';

const DAY_SECONDS = 86_400;
/** For those whose clock is behind ours. */
const BACKDATED = 300_000;

/** A key and its self-signed certificate. What writes certificates is loaded when the first is made. */
export class MadeCertificate implements MadeValue {
  readonly lifetimeSeconds: number;
  readonly secrets: readonly string[];
  readonly #options: CertificateOptions;
  readonly #clock: Clock;

  constructor(options: CertificateOptions, clock: Clock) {
    this.lifetimeSeconds = options.validDays * DAY_SECONDS;
    this.secrets = [options.keys.privateKey];
    this.#options = options;
    this.#clock = clock;
  }

  async make(): Promise<SecretData> {
    const { keyType, keys, commonName, dnsNames, ipAddresses } = this.#options;
    const { selfSigned } = await import('../../crypto/self-signed.ts');
    const pair = await generateKeyPair(keyType);
    const now = this.#clock.now();
    const notBefore = new Date(now - BACKDATED);
    const notAfter = new Date(now + this.lifetimeSeconds * 1000);
    const subject = { commonName, dnsNames, ipAddresses, notBefore, notAfter };
    const certificate = selfSigned(keyType, pair, subject);
    return { [keys.certificate]: certificate, [keys.privateKey]: pair.privateKey };
  }

  verdict(data: SecretData): TargetVerdict {
    const reason = this.#fault(data);
    return reason === undefined ? { accepted: true } : { accepted: false, reason };
  }

  #fault(data: SecretData): string | undefined {
    const { keys, keyType, dnsNames, ipAddresses } = this.#options;
    const certificate = textOf(data, keys.certificate);
    const privateKey = textOf(data, keys.privateKey);
    const facts = readCertificate(certificate);
    if (facts === undefined) return 'not_a_certificate';
    if (readKeyPair(privateKey)?.type !== keyType) return 'not_as_asked';
    if (!facts.belongsTo(privateKey)) return 'keys_differ';
    const now = this.#clock.now();
    if (now < facts.notBefore || now >= facts.notAfter) return 'expired';
    const isNamed =
      facts.nameCount === dnsNames.length + ipAddresses.length &&
      dnsNames.every((name) => facts.holdsDnsName(name)) &&
      ipAddresses.every((address) => facts.holdsAddress(address));
    return isNamed ? undefined : 'names_differ';
  }
}

function textOf(data: SecretData, key: string): string {
  const value = data[key];
  return typeof value === 'string' ? value : '';
}
