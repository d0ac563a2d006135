import { z } from 'zod';

const HOST = /^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::[1-9][0-9]{0,4})?$/;
const file = z.string().min(1).max(4096);

const fileSource = z.strictObject({
  type: z.literal('jwks'),
  /** A JWK set that an operator keeps up to date. */
  file,
});

const discoverySource = z.strictObject({
  type: z.literal('jwks'),
  /** The `iss` of its tokens, compared by characters. The discovery document is below it. */
  issuerUrl: z.url({ protocol: /^https$/ }).refine(isPlainAddress, 'no user, query or fragment'),
  /** Trusted for the issuer and the hosts, instead of Node's root certificates. */
  caFile: file.optional(),
  /** Hosts besides the issuer's that may serve the key set: `keys.example.com`, with its port unless that is 443. */
  hosts: z
    .array(z.string().max(255).regex(HOST, 'a host name in lower case, with a port or without'))
    .max(16)
    .optional(),
});

function isPlainAddress(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && `${url.username}${url.password}${url.search}${url.hash}` === '';
}

/** A connection of type `jwks`: keys from exactly one of a file and an issuer's discovery document. */
export const jwksConnectionSchema = z.union([fileSource, discoverySource]);

export type JwksConnection = z.infer<typeof jwksConnectionSchema>;
