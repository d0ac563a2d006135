import { z } from 'zod';

/** NAMEDATALEN less its end: PostgreSQL cuts longer names off, and another role would be meant. */
const MOST_BYTES = 63;

/** A name of a role or a database as PostgreSQL keeps it, quoted or not. */
export const roleName = z
  .string()
  .min(1)
  .refine(
    (name) => !name.includes('\0') && name.isWellFormed(),
    'is not a text PostgreSQL can hold',
  )
  .refine(
    (name) => Buffer.byteLength(name) <= MOST_BYTES,
    `is longer than the ${MOST_BYTES} bytes that PostgreSQL keeps`,
  );
