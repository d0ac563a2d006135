import { z } from 'zod';
import { databaseServerFields, isLoopback, tlsFilesOf } from '../sql/config.ts';
import { redisUsername } from './user-name.ts';

/** A connection of the configuration file: one Redis server, as a user that may change others. */
export const redisConnectionSchema = z
  .strictObject({
    type: z.literal('redis'),
    ...databaseServerFields,
    port: z.int().min(1).max(65_535).default(6379),
    username: redisUsername,
  })
  // AUTH sends the password itself: there is no login that a listener could not repeat.
  .refine((server) => tlsFilesOf(server) !== undefined || isLoopback(server.host), {
    path: ['tls'],
    message: 'may be off on a loopback address only: Redis logs in with the password in the clear',
  });

export type RedisConnectionConfig = z.infer<typeof redisConnectionSchema>;
