import { describe, expect, it } from '@jest/globals';
import { clientTypes, operationTable } from '../../scripts/client-source.ts';
import { textOf } from '../kit/tracked-files.ts';

const contract = textOf('openapi.yaml');

describe('the generated client', () => {
  it.each([
    ['types', 'src/client/generated/api.ts', clientTypes],
    ['operations', 'src/client/generated/operations.ts', operationTable],
  ])('is up to date (npm run generate): %s', async (_what, path, generate) => {
    expect(textOf(path) === (await generate(contract))).toBe(true);
  });
});
