import { writeFileSync } from 'node:fs';
import { sqliteSchema } from './sqlite-schema.ts';

/** `npm run generate`: writes the schema that a SQLite store must have. test/guards/generated-files.test.ts fails if it is out of date. */
writeFileSync('migrations/sqlite-schema.json', sqliteSchema());
