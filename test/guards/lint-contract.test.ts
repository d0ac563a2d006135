import { expect, it } from '@jest/globals';
import { createConfig, lintFromString } from '@redocly/openapi-core';
import { textOf } from '../kit/pages/tracked-files.ts';

it.each(['openapi.yaml', 'openapi-vault.yaml'])(
  'lints %s with every recommended rule of Redocly',
  async (file) => {
    const config = await createConfig({
      extends: ['recommended-strict'],
      // Each operation describes its refusals as `default`.
      rules: { 'operation-4xx-response': 'off' },
    });
    const problems = await lintFromString({ source: textOf(file), config });
    expect(problems.map(({ message, ruleId }) => `${ruleId}: ${message}`)).toEqual([]);
  },
  20_000,
);
