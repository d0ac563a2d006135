import * as z from 'zod';
import { KEY_TYPES } from '../../crypto/keys/key-pair.ts';
import { parseIpAddress } from '../../domain/network/ip-address.ts';
import { passwordOptions, secretKey } from '../rotator/options.ts';

const MOST_VALUES = 32;

/** Strategy `generated`: each named key of the secret is a text with its own rules. */
export const generatedOptions = z.strictObject({
  keys: z
    .record(secretKey, passwordOptions)
    .refine((keys) => Object.keys(keys).length > 0, 'needs a key at least')
    .refine((keys) => Object.keys(keys).length <= MOST_VALUES, `may have ${MOST_VALUES} keys`)
    .prefault({ password: {} }),
});

export type GeneratedOptions = z.output<typeof generatedOptions>;

/** Strategy `key-pair`: the keys of the secret that hold each form; `publicKey` and `openSsh` only if they are named. */
export const keyPairOptions = z.strictObject({
  type: z.enum(KEY_TYPES).default('ed25519'),
  keys: z
    .strictObject({
      privateKey: secretKey.default('privateKey'),
      publicKey: secretKey.optional(),
      openSsh: secretKey.optional(),
    })
    .prefault({ publicKey: 'publicKey', openSsh: 'openSsh' })
    .refine((keys) => {
      const names = Object.values(keys).filter((name) => name !== undefined);
      return new Set(names).size === names.length;
    }, 'names one key twice'),
});

export type KeyPairOptions = z.output<typeof keyPairOptions>;

const MOST_NAMES = 64;
const dnsName = z
  .string()
  .max(253)
  .regex(
    /^(?:\*\.)?[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*$/,
    'is a name in lower case, * only in front',
  );
const ipAddress = z.string().refine((text) => parseIpAddress(text) !== undefined, 'is an address');

/** Strategy `certificate`: a key, and a self-signed leaf certificate. */
export const certificateOptions = z
  .strictObject({
    keyType: z.enum(KEY_TYPES).default('ec-p256'),
    commonName: z
      .string()
      .regex(/^[^\p{Cc}]{1,64}$/u, '1 to 64 characters, none of them control characters')
      .optional(),
    dnsNames: z.array(dnsName).max(MOST_NAMES).default([]),
    ipAddresses: z.array(ipAddress).max(MOST_NAMES).default([]),
    validDays: z.int().min(1).max(825).default(90),
    keys: z
      .strictObject({
        certificate: secretKey.default('tls.crt'),
        privateKey: secretKey.default('tls.key'),
      })
      .prefault({})
      .refine(({ certificate, privateKey }) => certificate !== privateKey, 'names one key twice'),
  })
  .refine(({ dnsNames, ipAddresses }) => dnsNames.length + ipAddresses.length > 0, {
    path: ['dnsNames'],
    message: 'a certificate needs a name or an address',
  })
  .refine(({ dnsNames, ipAddresses }) => {
    const names = [...dnsNames, ...ipAddresses];
    return new Set(names).size === names.length;
  }, 'names something twice');

export type CertificateOptions = z.output<typeof certificateOptions>;
