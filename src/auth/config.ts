import * as z from 'zod';
import { isHostPattern } from '../domain/network/allowed-hosts.ts';
import { isTrustDomain } from '../domain/identity/spiffe-id.ts';
import { isName } from '../domain/words/names.ts';

const HOST = /^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::[1-9][0-9]{0,4})?$/;
const file = z.string().min(1).max(4096);
const issuerUrl = z
  .url({ protocol: /^https$/, error: 'must be a URL that begins with https://' })
  .refine(isPlainAddress, 'no user, query or fragment');

const fileSource = z.strictObject({
  type: z.literal('jwks'),
  /** A JWK set that an operator keeps up to date. */
  file,
});

const discoverySource = z.strictObject({
  type: z.literal('jwks'),
  /** The `iss` of its tokens, compared by characters. The discovery document is below it. */
  issuerUrl,
  /** PEM file of the authorities for the issuer and the hosts, instead of Node's root certificates. */
  caFile: file.optional(),
  /** Hosts besides the issuer's that may serve the key set: `keys.example.com`, with its port unless that is 443. */
  hosts: z
    .array(z.string().max(255).regex(HOST, 'a host name in lower case, with a port or without'))
    .max(16)
    .optional(),
});

const DAY_SECONDS = 86_400;
const claim = z.string().min(1).max(128);
const context = z
  .string()
  .min(1)
  .max(255)
  .regex(/^[!-~]+$/, 'visible ASCII characters');

const peopleIssuerSchema = z.strictObject({
  issuerUrl,
  clientId: z.string().min(1).max(255),
  /** File of the client secret. Absent: a public client, which PKCE protects. */
  clientSecretFile: file.optional(),
  /** PEM file of the authorities for the issuer, instead of Node's root certificates. */
  caFile: file.optional(),
  scopes: z
    .array(z.string().regex(/^[!#-[\]-~]+$/))
    .min(1)
    .max(32)
    .default(['openid']),
  /** Claims of the ID token that role bindings may name. */
  claims: z.array(claim).max(16).default([]),
  /**
   * Allows logins on another device (RFC 8628). An attacker can send the code of such a login to a person, and is logged in when the person
   * confirms it.
   */
  deviceLogin: z.boolean().default(false),
  /** `webauthn`: the issuer proves no second factor, so people prove a security key to the broker. */
  secondFactor: z.enum(['issuer', 'webauthn']).default('issuer'),
});

/** Issuers of people's logins, by the name that role bindings use. */
export const peopleConfigSchema = z
  .strictObject({
    issuers: z.record(z.string().refine(isName, 'is not a lower-case name'), peopleIssuerSchema),
    /** URL under which browsers reach the broker. Security keys are bound to its host. */
    publicUrl: z
      .url({ protocol: /^https?$/ })
      .refine(isOrigin, 'is https://<host>, or http://localhost, with a port or without')
      .optional(),
    /** Longest duration of a session after its login. */
    sessionSeconds: z
      .int()
      .min(60)
      .max(DAY_SECONDS / 2)
      .default(DAY_SECONDS / 2),
    /** A session that is not used ends after this time. */
    idleSeconds: z
      .int()
      .min(60)
      .max(DAY_SECONDS / 2)
      .default(3_600),
    /** Requirements that dangerous operations have on a login. */
    stepUp: z
      .strictObject({
        maxAgeSeconds: z.int().min(30).max(DAY_SECONDS).default(900),
        /** Accepted contexts, of which one must match; empty: any context. */
        acr: z.array(context).max(16).default([]),
        /** Reading values of secrets needs such a login too. */
        secretReads: z.boolean().default(false),
      })
      .prefault({}),
  })
  .refine(
    ({ issuers, publicUrl }) =>
      publicUrl !== undefined ||
      Object.values(issuers).every(({ secondFactor }) => secondFactor === 'issuer'),
    { path: ['publicUrl'], message: 'is needed by "secondFactor: webauthn"' },
  );

export type PeopleConfig = z.output<typeof peopleConfigSchema>;
export type PeopleIssuerConfig = z.output<typeof peopleIssuerSchema>;

/** A security key accepts a domain, not an IP address, and browsers offer keys over TLS or to `localhost` only (WebAuthn §5.1.3). */
function isOrigin(text: string): boolean {
  const url = URL.parse(text);
  if (url === null || (text !== url.origin && text !== `${url.origin}/`)) return false;
  const isAddress = url.hostname.startsWith('[') || /^[0-9.]+$/.test(url.hostname);
  return !isAddress && (url.protocol === 'https:' || url.hostname === 'localhost');
}

function isPlainAddress(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && `${url.username}${url.password}${url.search}${url.hash}` === '';
}

/** Schema of a connection of type `jwks`: keys from exactly one of a file and an issuer's discovery document. */
export const jwksConnectionSchema = z.union([fileSource, discoverySource]);

/** A connection of type `spiffe`: the authorities of one trust domain, which SPIRE or an operator keeps up to date. */
export const spiffeConnectionSchema = z.strictObject({
  type: z.literal('spiffe'),
  trustDomain: z.string().refine(isTrustDomain, 'is not a trust domain'),
  /** PEM file of the authorities. */
  bundleFile: file,
});

/** A connection of type `enrolled`: API servers of clusters that give their credential themselves, by an enrolment. */
export const enrolledConnectionSchema = z.strictObject({
  type: z.literal('enrolled'),
  /** The only hosts to which clusters of this connection may lead: names, `*.example.com`, and networks for addresses. */
  hosts: z
    .array(
      z
        .string()
        .max(255)
        .refine(
          isHostPattern,
          'is a host in lower case, *.example.com, or a network such as 10.0.0.0/8; one address is 10.0.0.5/32',
        ),
    )
    .min(1)
    .max(256),
});

export type EnrolledConnection = z.infer<typeof enrolledConnectionSchema>;
export type SpiffeConnection = z.infer<typeof spiffeConnectionSchema>;

export type JwksConnection = z.infer<typeof jwksConnectionSchema>;
