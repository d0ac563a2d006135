import { isIP } from 'node:net';
import { z } from 'zod';
import { databaseServerFields, tlsFilesOf } from '../../sql/config.ts';
import { mysqlUsername } from './account.ts';

/** A connection of the configuration file: one MySQL or MariaDB server, as an account that may change others. */
export const mysqlConnectionSchema = z
  .strictObject({
    type: z.literal('mysql'),
    ...databaseServerFields,
    port: z.int().min(1).max(65_535).default(3306),
    username: mysqlUsername,
  })
  .superRefine((server, context) => {
    const files = tlsFilesOf(server);
    // The driver compares names with certificates, and addresses with nothing.
    if (files === undefined || isIP(files.serverName ?? server.host) === 0) return;
    const message = 'is needed with TLS where `host` is an address, and is a name';
    context.addIssue({ code: 'custom', path: ['tls', 'serverName'], message });
  });

export type MysqlConnectionConfig = z.infer<typeof mysqlConnectionSchema>;
