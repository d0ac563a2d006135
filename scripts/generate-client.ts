import { readFileSync, writeFileSync } from 'node:fs';
import { clientTypes, operationTable } from './client-source.ts';

/**
 * `npm run generate`: writes the types of the contract into src/ports/openapi. test/guards/generated-files.test.ts
 * fails if it is out of date.
 */
const contract = readFileSync('openapi.yaml', 'utf8');
writeFileSync('src/ports/openapi/api.ts', await clientTypes(contract));
writeFileSync('src/ports/openapi/operations.ts', operationTable(contract));
