import { readFileSync, writeFileSync } from 'node:fs';
import { clientTypes, operationTable } from './client-source.ts';

/** `npm run generate`: writes what src/client knows of the contract. test/guards/generated-client.test.ts says when it is out of date. */
const contract = readFileSync('openapi.yaml', 'utf8');
writeFileSync('src/client/generated/api.ts', await clientTypes(contract));
writeFileSync('src/client/generated/operations.ts', operationTable(contract));
