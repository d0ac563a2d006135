import { describe, expect, it } from '@jest/globals';
import { generatedContract } from '../../scripts/contract-source.ts';
import { clientTypes, operationTable } from '../../scripts/client-source.ts';
import { sqliteSchema } from '../../scripts/sqlite-schema.ts';
import { textOf } from '../kit/pages/tracked-files.ts';

const contract = textOf('openapi.yaml');

describe('the generated files', () => {
  it.each([
    ['contract', 'openapi.yaml', generatedContract],
    ['types', 'src/ports/openapi/api.ts', clientTypes],
    ['operations', 'src/ports/openapi/operations.ts', operationTable],
    ['schema of SQLite', 'migrations/sqlite-schema.json', () => sqliteSchema()],
  ])('are up to date (npm run generate): %s', async (_what, path, generate) => {
    expect(textOf(path) === (await generate(contract))).toBe(true);
  });
});
