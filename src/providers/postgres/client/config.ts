import { z } from 'zod';
import { databaseServerFields } from '../../sql/config.ts';
import { roleName } from './role-name.ts';

/** A connection of the configuration file: one database of one server, as a role that may change others. */
export const postgresConnectionSchema = z.strictObject({
  type: z.literal('postgres'),
  ...databaseServerFields,
  port: z.int().min(1).max(65_535).default(5432),
  database: roleName.default('postgres'),
  username: roleName,
});

export type PostgresConnectionConfig = z.infer<typeof postgresConnectionSchema>;
