import { readFileSync, writeFileSync } from 'node:fs';
import { clientTypes, operationTable } from './client-source.ts';

/**
 * `npm run generate`: writes the client's view of the contract into src/client. test/guards/generated-files.test.ts
 * fails if it is out of date.
 */
const contract = readFileSync('openapi.yaml', 'utf8');
writeFileSync('src/client/generated/api.ts', await clientTypes(contract));
writeFileSync('src/client/generated/operations.ts', operationTable(contract));
