import { z } from 'zod';
import { isReservedEngine, vaultMountPath } from '../../upstream/vault/config.ts';
import { loginKeys } from '../login-keys.ts';

/** Strategy `static-role`: a static role of a database engine. */
export const staticRoleOptions = z.strictObject({
  /** Where the engine is mounted. */
  engine: vaultMountPath
    .refine((path) => !isReservedEngine(path), 'sys, auth, identity and cubbyhole have no roles')
    .default('database'),
  role: z.string().regex(/^(?!\.{1,2}$)[A-Za-z0-9_.-]{1,128}$/, 'the name of a static role'),
  keys: loginKeys,
});
export type StaticRoleOptions = z.output<typeof staticRoleOptions>;
