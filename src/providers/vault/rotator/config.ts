import { z } from 'zod';
import { accessKeyNames, loginKeys } from '../../rotator/options.ts';
import { isReservedEngine, vaultMountPath } from '../client/config.ts';

/** Where an engine is mounted. */
const engine = vaultMountPath.refine(
  (path) => !isReservedEngine(path),
  'sys, auth, identity and cubbyhole have no roles',
);
const role = z.string().regex(/^(?!\.{1,2}$)[A-Za-z0-9_.-]{1,128}$/, 'the name of a static role');

/** Strategy `static-role`: a static role of a database engine. */
export const staticRoleOptions = z.strictObject({
  engine: engine.default('database'),
  role,
  keys: loginKeys,
});
export type StaticRoleOptions = z.output<typeof staticRoleOptions>;

/** Strategy `aws-static-role`: a static role of an AWS engine. */
export const awsStaticRoleOptions = z.strictObject({
  engine: engine.default('aws'),
  role,
  keys: accessKeyNames,
});
export type AwsStaticRoleOptions = z.output<typeof awsStaticRoleOptions>;
