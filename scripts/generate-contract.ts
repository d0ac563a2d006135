import { readFileSync, writeFileSync } from 'node:fs';
import { generatedContract } from './contract-source.ts';

/**
 * `npm run generate`: writes into openapi.yaml the contents of access.ts and of the schemas of documents.
 * test/guards/generated-files.test.ts fails if it is out of date.
 */
const file = 'openapi.yaml';
writeFileSync(file, generatedContract(readFileSync(file, 'utf8')));
