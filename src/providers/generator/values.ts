import type { SecretData } from '../../domain/secrets/secret.ts';
import type { TargetVerdict } from '../../ports/rotation-target.ts';
import { fitsPasswordSpec, generatePassword } from '../../crypto/random/generated-value.ts';
import type { GeneratedOptions, KeyPairOptions, CertificateOptions } from './config.ts';
import { generateKeyPair, readKeyPair } from '../../crypto/keys/key-pair.ts';
import { readCertificate } from '../../crypto/certificates/certificate-facts.ts';
import type { Clock } from '../../ports/clock.ts';

/** A kind of value that the broker generates. */
export interface GeneratedValue {
  /** Validity of the value in seconds; absent: it does not expire. */
  readonly lifetimeSeconds?: number;
  /** Keys of the generated data that are secret. */
  readonly secrets: readonly string[];
  /** New values for the keys that it generates. */
  make(): Promise<SecretData>;
  /** Tests whether `data` holds such a value. */
  verdict(data: SecretData): Promise<TargetVerdict> | TargetVerdict;
}

/** Passwords and other texts, each with its own rules. */
export class GeneratedTexts implements GeneratedValue {
  readonly secrets: readonly string[];
  readonly #specs: GeneratedOptions['keys'];

  constructor({ keys }: GeneratedOptions) {
    this.secrets = Object.keys(keys);
    this.#specs = keys;
  }

  make(): Promise<SecretData> {
    const made = Object.entries(this.#specs).map(
      ([key, spec]) => [key, generatePassword(spec)] as const,
    );
    return Promise.resolve(Object.fromEntries(made));
  }

  verdict(data: SecretData): TargetVerdict {
    const isAsAsked = Object.entries(this.#specs).every(([key, spec]) => {
      const value = data[key];
      return typeof value === 'string' && fitsPasswordSpec(spec, value);
    });
    return isAsAsked ? { accepted: true } : { accepted: false, reason: 'not_as_asked' };
  }
}

const FORMS = ['privateKey', 'publicKey', 'openSsh'] as const;

/** A private key and the forms of its public key. */
export class GeneratedKeyPair implements GeneratedValue {
  readonly secrets: readonly string[];
  readonly #options: KeyPairOptions;

  constructor(options: KeyPairOptions) {
    this.secrets = [options.keys.privateKey];
    this.#options = options;
  }

  async make(): Promise<SecretData> {
    const pair = await generateKeyPair(this.#options.type);
    const forms = this.#named().map(([form, key]) => [key, pair[form]] as const);
    return Object.fromEntries(forms);
  }

  verdict(data: SecretData): TargetVerdict {
    const privateKey = data[this.#options.keys.privateKey];
    const pair = typeof privateKey === 'string' ? readKeyPair(privateKey) : undefined;
    if (pair === undefined) return { accepted: false, reason: 'not_a_key' };
    if (pair.type !== this.#options.type) return { accepted: false, reason: 'not_as_asked' };
    const isWhole = this.#named().every(([form, key]) => data[key] === pair[form]);
    return isWhole ? { accepted: true } : { accepted: false, reason: 'keys_differ' };
  }

  #named(): readonly (readonly [(typeof FORMS)[number], string])[] {
    return FORMS.flatMap((form) => {
      const key = this.#options.keys[form];
      return key === undefined ? [] : [[form, key] as const];
    });
  }
}

const DAY_SECONDS = 86_400;
/** Milliseconds by which a certificate begins early, for verifiers whose clock is behind. */
const BACKDATED = 300_000;

/** A key and its self-signed certificate. The library that writes certificates is loaded for the first one. */
export class GeneratedCertificate implements GeneratedValue {
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
    const { selfSigned } = await import('../../crypto/certificates/self-signed.ts');
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
