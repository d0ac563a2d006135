import { z } from 'zod';
import { vaultMountPath, vaultServerSchema } from '../client/config.ts';

/** A key-encryption key in the transit engine of a Vault or OpenBao. */
export const vaultTransitConfig = vaultServerSchema.extend({
  type: z.literal('vault-transit'),
  /** Names the server in the key's id, which is stored beside what it wraps: never rename it. */
  connection: z.string().regex(/^[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?$/),
  mount: vaultMountPath.default('transit'),
  key: z.string().regex(/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$/),
});

export type VaultTransitConfig = z.infer<typeof vaultTransitConfig>;
